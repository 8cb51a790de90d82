import { expectWhole, Loop, textOf, until } from './loop.fixture.js';

const MINUTES = 60_000;
/** Lease, its detection, and the restart of a runner on a busy machine of two cores. */
const TAKE_OVER_MS = 20_000;

describe('the device that owns a thread', () => {
  let loop: Loop;
  beforeAll(async () => {
    loop = await Loop.start({ policy: 'off' });
    await loop.thread('counter', 'wasm', await loop.putC('counter'));
    await until('a checkpoint', async () => (await loop.journal.tail(loop.at('counter'))).k > 1);
  }, 3 * MINUTES);
  afterAll(() => loop?.[Symbol.asyncDispose](), MINUTES);

  async function takenOver(from: { epoch: number; device: string }): Promise<string> {
    const own = await until('another owner', async () => {
      const newest = await loop.own('counter');
      return newest.record.epoch > from.epoch && newest;
    }, TAKE_OVER_MS);
    expect(own.record.reason).toBe('failed-over');
    expect(own.record.device).not.toBe(from.device);
    const seen = await loop.outN('counter');
    await until('the thread goes on', async () => (await loop.outN('counter')) > seen, TAKE_OVER_MS);
    return own.record.device;
  }

  /** Each line is `<count> <hash of everything before>`: equal prefixes mean that nothing was lost, repeated or changed. */
  async function expectCounted(): Promise<void> {
    const outputs = await loop.outputs('counter');
    expectWhole(outputs);
    const counts = textOf(outputs).trim().split('\n').map((line) => Number(line.split(' ')[0]));
    expect(counts).toEqual(counts.map((_count, i) => i + 1));
  }

  it('killed with -9: the thread continues elsewhere from its checkpoint, without gap or repetition', async () => {
    const { record } = await loop.own('counter');
    loop.local.kill(`agent-${record.device}`, 'SIGKILL', { restart: false });
    await takenOver(record);
    await loop.local.restart(`agent-${record.device}`);
    await expectCounted();
  }, 2 * MINUTES);

  it('stopped, and woken after the take-over: every append of it is refused', async () => {
    const { record } = await loop.own('counter');
    loop.local.kill(`agent-${record.device}`, 'SIGSTOP', { restart: false });
    await takenOver(record);
    const newest = await loop.own('counter');
    loop.local.kill(`agent-${record.device}`, 'SIGCONT', { restart: false });
    await until('the woken agent lets the thread go', async () => (await loop.status(record.device)).threads.length === 0);
    const status = await loop.status(record.device);
    // Its runner went on into the pipe while the agent slept: there was something to refuse, for the broker or for the
    // agent itself, whichever learnt first of the newer owner.
    expect(status.refusedAppends).toBeGreaterThan(0);
    const late = (await loop.outputs('counter')).filter(({ seq, record: output }) => seq > newest.seq && output.epoch < newest.record.epoch);
    expect(late).toEqual([]);
    await expectCounted();
  }, 2 * MINUTES);

  it('is named again by no service that dies: the controller killed in between changes nothing', async () => {
    const before = await loop.own('counter');
    loop.local.kill('migration-controller', 'SIGKILL');
    const seen = await loop.outN('counter');
    await until('the thread goes on meanwhile', async () => (await loop.outN('counter')) > seen + 2);
    await until('the controller serves again', async () => {
      const target = before.record.device === 'd-large' ? 'd-medium' : 'd-large';
      return loop.move('counter', target).catch(() => undefined);
    }, MINUTES);
    await expectCounted();
  }, 2 * MINUTES);
});
