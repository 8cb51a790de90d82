/** Where the gateway is: `--url`, else `GODWIT_URL`, else what a running `godwit up` has written, else the usual port. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const ENDPOINT_FILE = join('.godwit', 'data', 'endpoint.json');
export const DEFAULT_URL = 'http://127.0.0.1:4600';

/** @param folder where the CLI was called. */
export async function findUrl(option: string | undefined, env: Readonly<Record<string, string | undefined>>, folder: string): Promise<string> {
  return option ?? env['GODWIT_URL'] ?? (await writtenUrl(join(folder, ENDPOINT_FILE))) ?? DEFAULT_URL;
}

async function writtenUrl(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    // Nothing runs in this folder: the usual case for a gateway elsewhere.
    return undefined;
  }
  try {
    const { url } = JSON.parse(text) as { url?: unknown };
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}
