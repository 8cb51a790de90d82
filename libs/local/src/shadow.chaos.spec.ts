import { descendantsOf } from '@godwit/testing';
import type { AgentStatus, ShadowStatus } from '@godwit/wire';
import { expectWhole, Loop, textOf, until } from './loop.fixture.js';

const MINUTES = 60_000;
const LAG_MS = 200;
/** The lease, its end noticed, and the promotion, on a machine that is busy with other specs. */
const PROMOTED_MS = 20_000;
const DEVICES = ['d-small', 'd-medium', 'd-large'];

describe('a thread with a shadow', () => {
  let loop: Loop;
  beforeAll(async () => {
    loop = await Loop.start({ policy: 'off' });
    await loop.thread('counter', 'wasm', await loop.putC('counter'), { shadow: { policy: 'continuous', lagLimitMs: LAG_MS, placement: 'other-rack' } });
  }, 3 * MINUTES);
  afterAll(() => loop?.[Symbol.asyncDispose](), MINUTES);

  /** What the living agents say. */
  async function statuses(): Promise<AgentStatus[]> {
    const answers = await Promise.all(DEVICES.map((device) => loop.status(device).catch(() => undefined)));
    return answers.filter((status) => status !== undefined);
  }
  const following = (owner: string): Promise<ShadowStatus> => until(`a shadow that follows ${owner}`, async () => (await statuses()).flatMap(({ shadows }) => shadows).find((shadow) => shadow.thread === 'counter' && shadow.source === owner && shadow.state === 'following' && shadow.checkpoint > 1), MINUTES);

  it('has it on another device, in another rack where there is one, and not far behind', async () => {
    const { record } = await loop.own('counter');
    const shadow = await following(record.device);
    expect(shadow.device).not.toBe(record.device);
    const rackOf = (device: string): string => (device === 'd-large' ? 'r2' : 'r1');
    expect(rackOf(shadow.device)).not.toBe(rackOf(record.device));
    await until('a lag of a few checkpoints', async () => (await following(record.device)).lagMs < LAG_MS * 10);
    // What it holds is a checkpoint of the journal, by its digest.
    await until('its digest in the journal', async () => {
      const held = await following(record.device);
      const manifest = (await loop.journal.checkpoints(loop.at('counter'), 40)).find((checkpoint) => checkpoint.record.k === held.checkpoint);
      return manifest && manifest.record.digest === held.digestSha256;
    });
  }, 2 * MINUTES);

  it('goes on from it when its device dies: without reading a checkpoint, without gap or repetition; then it has a new one', async () => {
    const { record: before } = await loop.own('counter');
    const shadow = await following(before.device);
    const { pid } = await loop.status(before.device);
    const runners = await descendantsOf(pid);
    const diedAtMs = Date.now();
    loop.local.kill(`agent-${before.device}`, 'SIGKILL', { restart: false });
    for (const runner of runners) {
      try {
        process.kill(runner.pid, 'SIGKILL');
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ESRCH'); // it went with its agent
      }
    }
    const own = await until('the next owner', async () => {
      const newest = await loop.own('counter');
      return newest.record.epoch > before.epoch && newest;
    }, PROMOTED_MS);
    expect(own.record).toMatchObject({ epoch: before.epoch + 1, reason: 'failed-over', device: shadow.device });
    expect(own.record.note).toContain('shadow');
    expect(own.record.checkpoint).toBeGreaterThanOrEqual(shadow.checkpoint);
    const first = await until('its first output', async () => (await loop.outputs('counter')).find(({ record }) => record.epoch > before.epoch), PROMOTED_MS);
    const host = (await loop.status(shadow.device)).threads.find(({ thread }) => thread === 'counter');
    expect(host?.startedFrom).toBe('shadow');
    process.stdout.write(`ownerless for ${own.atMs - diedAtMs} ms, first new output ${first.atMs - diedAtMs} ms after the kill (the lease is 3000 ms)\n`);

    const next = await following(shadow.device);
    expect([before.device, shadow.device]).not.toContain(next.device);
    await loop.local.restart(`agent-${before.device}`);
    const outputs = await loop.outputs('counter');
    expectWhole(outputs);
    // Each line is `<count> <hash of everything before>`.
    const lines = textOf(outputs).trim().split('\n');
    expect(lines.map((line) => Number(line.split(' ')[0]))).toEqual(lines.map((_line, i) => i + 1));
  }, 3 * MINUTES);
});
