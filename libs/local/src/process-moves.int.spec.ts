import { temporaryFolder, testCriu } from '@godwit/testing';
import { chmod } from 'node:fs/promises';
import type { DeviceId } from '@godwit/kernel';
import { DEFAULT_DEVICES } from './devices.js';
import { expectWhole, Loop, textOf, until } from './loop.fixture.js';

const MINUTES = 60_000;
/** Counts what it reads, and keeps all of it in its memory. */
const PROGRAM = `#!/bin/sh
count=0
seen=
while read -r line; do
  count=$((count + 1))
  seen="$seen$line."
  echo "$count \${#seen} $line"
done
exit 5
`;

describe('a process thread on agents that may offer it', () => {
  let loop: Loop;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let missing: string | undefined;
  beforeAll(async () => {
    await testCriu(); // so that the agents find it in the tools folder, where it can be had at all
    folder = await temporaryFolder('process');
    await chmod(folder.path, 0o711);
    // The third device does not name the runtime: no process may come to it.
    const devices = DEFAULT_DEVICES.map((device, i) => (i < 2 ? { ...device, runtimes: [...device.runtimes, 'process' as const] } : device));
    loop = await Loop.start({ policy: 'off', devices, env: { agent: { GODWIT_PROCESS_ROOT: folder.path } } });
    missing = (await loop.status('d-small')).missing.find((line) => line.startsWith('runtime process:'));
    if (missing !== undefined) process.stderr.write(`SKIPPED: moves of process threads: ${missing}\n`);
  }, 3 * MINUTES);
  afterAll(async () => {
    await loop?.[Symbol.asyncDispose]();
    await folder?.remove();
  }, MINUTES);

  it('is moved four times without a line lost or repeated; elsewhere it is refused with the reason', async () => {
    const program = await loop.put(PROGRAM);
    const spec = { thread: 'counting', application: 'app', runtime: 'process', programSha256: program, deterministic: false, checkpointMs: 1_000, limits: { memoryBytes: 64 * 1024 * 1024 } };
    await loop.register('application-registered', 'app', { application: 'app' });
    if (missing !== undefined) {
      expect(await loop.register('thread-registered', 'counting', spec)).toMatchObject({ accepted: false, code: 'unsupported', field: 'runtime' });
      return;
    }
    expect(await loop.register('thread-registered', 'bad', { ...spec, thread: 'bad', deterministic: true })).toMatchObject({ accepted: false, code: 'invalid-field', field: 'deterministic' });
    expect(await loop.register('thread-registered', 'counting', spec)).toMatchObject({ accepted: true });
    let lines = 0;
    const feed = async (count: number): Promise<void> => {
      for (const end = lines + count; lines < end; lines++) await loop.input('counting', `line-${lines}`, `line ${lines}\n`);
    };
    await feed(5);
    await until('the first outputs', async () => (await loop.outN('counting')) >= 5);
    for (let move = 0; move < 4; move++) {
      await feed(6);
      const { record } = await loop.own('counting');
      const own = await loop.move('counting', record.device === 'd-small' ? 'd-medium' : 'd-small');
      expect(own.record.reason).toBe('committed');
    }
    await expect(loop.move('counting', 'd-large' satisfies string as DeviceId)).rejects.toThrow(/process/);
    await feed(3);
    await loop.input('counting', 'end', '', 'end');
    await until('the end of the thread', async () => (await loop.own('counting')).record.reason === 'retired', 2 * MINUTES);
    const outputs = await loop.outputs('counting');
    expectWhole(outputs);
    expect(outputs.at(-1)!.record.exit).toEqual({ code: 5 });
    const counted = textOf(outputs).trim().split('\n');
    expect(counted.map((line) => Number(line.split(' ')[0]))).toEqual(counted.map((_line, i) => i + 1));
    expect(counted).toHaveLength(lines);
  }, 5 * MINUTES);
});
