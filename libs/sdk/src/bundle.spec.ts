import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleThread } from './bundle.js';

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'godwit-bundle-')); });
afterAll(() => rm(folder, { recursive: true }));

async function bundle(source: string, name = 'thread.ts'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, source);
  return new TextDecoder().decode(await bundleThread(file));
}

const SOURCE = `
  import { defineThread, jsonCodec, type ThreadContext } from '@godwit/sdk';
  import type { Other } from './other.js';
  enum Kind { Count = 'count' }
  interface State { n: number }
  const emit = (ctx: ThreadContext, state: State): void => ctx.emit(Kind.Count, state.n satisfies number);
  export default defineThread<State>({ name: 'x', version: '1', codec: jsonCodec(), initial: (): State => ({ n: 0 }), onMessage(ctx, _m, s) { emit(ctx, s); } });`;

describe('bundleThread', () => {
  it('strips types and leaves one module that imports only the SDK, the same bytes each time', async () => {
    const code = await bundle(SOURCE);
    expect(code.match(/from\s+['"].*?['"]/g)).toHaveLength(1);
    expect(code).not.toMatch(/interface|satisfies|ThreadContext/);
    expect(await bundle(SOURCE)).toBe(code);
  });

  it('takes JavaScript too, also with a default export by name', async () => {
    expect(await bundle('const x = 1; export { x as default };', 'thread.mjs')).toContain('default');
  });

  it.each([
    ['an import of Node', `import fs from 'node:fs'; export default fs;`, /imports "node:fs".*a thread has no Node/],
    ['an import of another file', `import { x } from './x.js'; export default x;`, /imports "\.\/x\.js".*bundle it/],
    ['a re-export', `export * from 'lodash'; export default 1;`, /imports "lodash"/],
    ['a dynamic import', `export default () => import('node:fs');`, /import\(…\)/],
    ['no default export', `export const x = 1;`, /no default export/],
    ['what does not parse', `export default {`, /is no TypeScript/],
  ])('refuses %s', async (_what, source, reason) => {
    await expect(bundle(source)).rejects.toMatchObject({ code: 'invalid-program', effect: 'none', message: expect.stringMatching(reason) });
  });

  it('says which file is not there', async () => {
    await expect(bundleThread(join(folder, 'absent.ts'))).rejects.toMatchObject({ code: 'not-found' });
  });
});
