import { isRefusal, threadId, type Refusal, type Sha256 } from '@godwit/kernel';
import type { CheckpointPart } from '@godwit/journal';
import { openCheckpointStore, type CheckpointStore } from '@godwit/redis';
import { sha256 } from '@godwit/shell/platform';
import { startTestRedis, type TestRedis } from '@godwit/testing';
import type { ThreadProgram } from '@godwit/runtime';
import { Redis } from 'ioredis';
import { cProgram, DrivenRunner, granted, listInput, listProgram } from './checkpoints.fixture.js';

const MINUTE = 60_000;

interface Stored { readonly k: number; readonly digest: Sha256; readonly outN: number; readonly parts: readonly CheckpointPart[] }

describe('checkpoints as a base and deltas', () => {
  let server: TestRedis;
  let store: CheckpointStore;
  let raw: Redis;
  let counter: ThreadProgram;
  const runners: DrivenRunner[] = [];
  let threads = 0;
  beforeAll(async () => {
    server = await startTestRedis();
    store = await openCheckpointStore({ url: server.url });
    raw = new Redis(server.url, { disconnectTimeout: 500 });
    counter = await cProgram('counter');
  }, 3 * MINUTE);
  afterEach(async () => { for (const runner of runners.splice(0)) await runner.end(); });
  afterAll(async () => {
    raw.disconnect();
    await store.close();
    await server[Symbol.asyncDispose]();
  }, MINUTE);

  async function runner(program: ThreadProgram): Promise<DrivenRunner> {
    const one = await DrivenRunner.prepared(program);
    runners.push(one);
    return one;
  }
  /** Takes checkpoints 1 … n, the first a base, each stored. @param between makes the thread go on */
  async function chain(source: DrivenRunner, n: number, between: (k: number, lastN: number) => Promise<void>): Promise<{ readonly thread: ReturnType<typeof threadId>; readonly stored: Stored[] }> {
    const thread = threadId(`t${++threads}`);
    const stored: Stored[] = [];
    for (let k = 1; k <= n; k++) {
      await between(k, stored.at(-1)?.outN ?? 0);
      const { parts, digest, outN, parent } = await source.checkpoint(k, k - 1);
      expect(parent).toBe(k - 1);
      const place = granted(await store.writeCheckpoint({ thread, epoch: 1, k, base: 1, parts, sha256 }));
      stored.push({ k, digest, outN, parts: [...(stored.at(-1)?.parts ?? []), { k, ...place }] });
    }
    return { thread, stored };
  }
  async function read(thread: ReturnType<typeof threadId>, { parts }: Stored): Promise<Uint8Array[] | Refusal> {
    const all: Uint8Array[] = [];
    for (const part of parts) {
      const bytes = await store.readCheckpoint({ thread, ...part });
      if (isRefusal(bytes)) return bytes;
      all.push(bytes);
    }
    return all;
  }
  /** Between two checkpoints the thread has changed its table, however busy the machine is. */
  const counted = (source: DrivenRunner) => async (k: number, lastN: number): Promise<void> => source.until(`two lines before checkpoint ${k}`, () => source.outN >= lastN + 2);
  /** What can be printed when it is not what was expected: the bytes themselves would fill the memory. */
  const told = (answer: unknown): unknown => (Array.isArray(answer) ? { parts: answer.length } : answer);

  it('bring back the very state of each of them, and the thread goes on from there as it did', async () => {
    const source = await runner(counter);
    granted(await source.ask('start', {}));
    const { thread, stored } = await chain(source, 5, counted(source));
    await source.until('some lines more', () => source.outN >= stored[4]!.outN + 3);
    expect(stored[4]!.parts[0]!.bytes).toBeGreaterThan(stored[4]!.parts[4]!.bytes);
    for (const at of [stored[0]!, stored[2]!, stored[4]!]) {
      const target = await runner(counter);
      const mark = granted(await target.ask('restore', { parts: granted(await read(thread, at)), digest: at.digest }));
      expect(mark).toMatchObject({ digest: at.digest, outN: at.outN });
      granted(await target.ask('resume', {}));
      await target.until('the next line', () => target.outputs.length > 0);
      const [next] = target.outputs;
      await target.end();
      expect(next).toEqual(source.outputs.find(({ n }) => n === next!.n));
    }
  }, 2 * MINUTE);

  it('are refused when a part is missing, altered, of another place, or not what the manifest says; and the one before is taken', async () => {
    const source = await runner(counter);
    granted(await source.ask('start', {}));
    const { thread, stored } = await chain(source, 4, counted(source));
    const [, second, third, fourth] = stored as [Stored, Stored, Stored, Stored];
    const bytes = granted(await read(thread, fourth));
    const value = (await raw.getBuffer(`godwit:{${thread}}:ck:3:0`))!;
    value[value.length >> 1]! ^= 1;
    await raw.set(`godwit:{${thread}}:ck:3:0`, value);
    expect(told(await read(thread, third))).toMatchObject({ code: 'snapshot-damaged', reason: expect.stringMatching(/checkpoint 3 .* altered/) });
    expect(told(await read(thread, fourth))).toMatchObject({ code: 'snapshot-damaged', reason: expect.stringMatching(/checkpoint 3/) });
    await raw.del(`godwit:{${thread}}:ck:3:0`);
    expect(told(await read(thread, fourth))).toMatchObject({ code: 'snapshot-damaged', reason: expect.stringMatching(/missing/) });

    const target = await runner(counter);
    const restored = (parts: readonly Uint8Array[], digest: Sha256) => target.ask('restore', { parts, digest });
    const [base, one, two, three] = bytes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(told(await restored([base, one, three], fourth.digest))).toMatchObject({ code: 'conflict', field: 'parent' });
    expect(told(await restored([one, two], third.digest))).toMatchObject({ code: 'conflict', field: 'parent' });
    expect(told(await restored([base, one, two.subarray(0, two.length - 1)], third.digest))).toMatchObject({ code: 'snapshot-damaged' });
    expect(told(await restored([base, one], third.digest))).toMatchObject({ code: 'digest-mismatch' });
    const spoiled = one.slice();
    spoiled[80]! ^= 1;
    expect(told(await restored([base, spoiled], second.digest))).toMatchObject({ refused: true });
    // After all that the runner is as good as new.
    const mark = granted(await restored(granted(await read(thread, second)), second.digest));
    expect(mark.digest).toBe(second.digest);
    granted(await target.ask('resume', {}));
    await target.until('the next line', () => target.outputs.length > 0);
    expect(target.outputs[0]).toEqual(source.outputs.find(({ n }) => n === target.outputs[0]!.n));
  }, 2 * MINUTE);

  it('of a task that has no image are deltas of its encoded state, which may become shorter', async () => {
    const source = await runner(listProgram());
    granted(await source.ask('start', {}));
    const words = (n: number): string[] => Array.from({ length: n }, (_, i) => `word-${i}-${'x'.repeat(20)}`);
    const sizes = [2_000, 2_001, 3_000, 5, 2_500];
    const { thread, stored } = await chain(source, sizes.length, async (k) => {
      source.feed([listInput(k, words(sizes[k - 1]!))]);
      await source.until(`answer ${k}`, () => source.outN >= k);
    });
    const [base, small] = [stored[4]!.parts[0]!, stored[1]!.parts[1]!];
    expect(small.bytes).toBeLessThan(base.bytes / 2);
    for (const at of stored) {
      const target = await runner(listProgram());
      expect(granted(await target.ask('restore', { parts: granted(await read(thread, at)), digest: at.digest }))).toMatchObject({ digest: at.digest, outN: at.outN, cursorSeq: at.k });
    }
  }, 2 * MINUTE);

  it('are a base again when somebody asks for a delta upon another, or the last one was never encoded', async () => {
    const source = await runner(counter);
    granted(await source.ask('start', {}));
    expect((await source.checkpoint(1, 0)).parent).toBe(0);
    expect((await source.checkpoint(2, 1)).parent).toBe(1);
    expect((await source.checkpoint(3, 1)).parent).toBe(0);
    granted(await source.ask('freeze', {}));
    granted(await source.ask('capture', { pendingOutputs: [] }));
    granted(await source.ask('resume', {}));
    const again = await source.checkpoint(4, 3);
    expect(again.parent).toBe(0);
    const target = await runner(counter);
    expect(granted(await target.ask('restore', { parts: [again.bytesOf], digest: again.digest })).digest).toBe(again.digest);
  }, 2 * MINUTE);
});
