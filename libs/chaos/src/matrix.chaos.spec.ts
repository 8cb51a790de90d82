/** The short form of the matrix: six cells on real processes, each a named test. The apps and this room must be built. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { repositoryRoot } from '@godwit/testing/servers';
import { CELLS, SHORT, whyOneHost } from './index.js';

const run = promisify(execFile);
const LIMIT_MS = 8 * 60_000;
const whyNot = await whyOneHost();

describe('the fault matrix', () => {
  it('has an outcome for every fault at every phase', () => {
    expect(CELLS).toHaveLength(new Set(CELLS.map(({ name }) => name)).size);
    for (const { expected } of CELLS) expect(() => new RegExp(`^(${expected})$`)).not.toThrow();
    expect(SHORT.every((short) => CELLS.some(({ name }) => name === short))).toBe(true);
  });
});

if (whyNot !== undefined) process.stdout.write(`skipped: the fault matrix on real processes: ${whyNot}\n`);
const permitted = whyNot === undefined ? describe : describe.skip;

permitted('a whole Godwit', () => {
  let said = '';
  let code: number | undefined;
  beforeAll(async () => {
    const main = join(await repositoryRoot(), 'libs', 'chaos', 'dist', 'main.js');
    const { NODE_OPTIONS: _options, ...env } = process.env;
    try {
      said = (await run(process.execPath, [main, '--short'], { env, timeout: LIMIT_MS, killSignal: 'SIGTERM' })).stdout;
      code = 0;
    } catch (error) {
      const failure = error as Error & { stdout?: string; stderr?: string; code?: number };
      said = `${failure.stdout ?? ''}${failure.stderr ?? failure.message}`;
      code = failure.code;
    }
  }, LIMIT_MS);

  it.each(SHORT)('comes through %s: nothing lost, nothing twice, one outcome', (name) => {
    const line = said.split('\n').find((one) => one.startsWith(name)) ?? `${name} was not run: ${said}`;
    expect(line).toMatch(/ ok$/);
  });

  it('was really disturbed, and the rig has nothing to object', () => {
    expect({ code, said }).toMatchObject({ code: 0, said: expect.stringContaining(`${SHORT.length} runs in`) });
  });
});
