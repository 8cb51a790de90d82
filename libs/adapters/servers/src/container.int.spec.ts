import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testServer } from '@godwit/testing';
import { startNats, type ServerImage } from './index.js';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'godwit-container-'));
});
afterEach(() => rm(base, { recursive: true, force: true, maxRetries: 5 }));

/** An engine that notes its arguments and runs the machine's own program in place of the image. */
async function engineThatRuns(command: readonly string[]): Promise<ServerImage> {
  const engine = join(base, 'engine');
  await writeFile(engine, `#!/bin/sh
echo "$@" >> '${base}/calls'
[ "$1" = run ] || exit 0
while [ "$1" != the-image ]; do shift; done
shift
exec ${command.map((word) => `'${word}'`).join(' ')} "$@"
`);
  await chmod(engine, 0o755);
  return { kind: 'container', engine, image: 'the-image', version: '2.15.1', link: 'spec' };
}

async function started() {
  const server = await testServer('nats');
  if (server.kind !== 'binary') throw new Error('a program of this machine was expected');
  const nats = await startNats({ server: await engineThatRuns(server.command), dataDir: join(base, 'data'), logFile: join(base, 'log') });
  return { nats, calls: async () => (await readFile(join(base, 'calls'), 'utf8')).trim().split('\n') };
}

describe('a server in a container', () => {
  it('sees its folders at the same place, and shares the loopback', async () => {
    const { nats, calls } = await started();
    await nats.stop();
    const [run, ...later] = await calls();
    expect(run).toMatch(/^run --rm --name godwit-nats-server-[0-9a-f]{12} --network host --user \d+:\d+ /);
    expect(run).toContain(` --volume ${base}/data:${base}/data `);
    expect(later).toEqual([]);
  });

  it('is removed when the engine’s client is killed', async () => {
    const { nats, calls } = await started();
    nats.kill('SIGKILL');
    await nats.ended;
    const [run, removal] = await calls();
    expect(removal).toBe(`rm --force ${/--name (\S+)/.exec(run!)![1]}`);
  });
});
