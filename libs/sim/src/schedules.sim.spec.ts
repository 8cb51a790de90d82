import { count, emptyTally, PLANTED, simulate, vacuous, type Tally } from './index.js';

const SCHEDULES = 200;

describe('the protocol under simulation', () => {
  it(`holds every invariant in ${SCHEDULES} schedules, and comes to rest after each`, async () => {
    const tally: Tally = emptyTally();
    for (let seed = 1; seed <= SCHEDULES; seed++) count(tally, await simulate({ seed }));
    expect(tally.failures.map(({ seed, message }) => `seed ${seed}: ${message}`)).toEqual([]);
    expect(vacuous(tally)).toEqual([]);
  }, 900_000);

  it('gives the same history for the same seed, to the byte, and another for another', async () => {
    for (const seed of [3, 1_004]) {
      const [first, second] = [await simulate({ seed }), await simulate({ seed })];
      expect(second.hash).toBe(first.hash);
      expect((await simulate({ seed: seed + 1 })).hash).not.toBe(first.hash);
    }
  }, 120_000);
});

/** In full: `npm run sim -- --planted`. */
describe('a planted bug is found', () => {
  it.each([
    ['drop-fence', 40], ['ack-before-durable', 20], ['not-create-only', 20], ['accept-damaged-checkpoint', 30], ['outcome-in-two-writes', 20], ['wrong-cursor', 20], ['no-self-fencing', 20],
    ['forget-pending-outputs', 20], ['no-digest-comparison', 30], ['purge-above-the-cursor', 20], ['shadow-trusts-its-feed', 40],
  ])('%s, within %i schedules', async (name, most) => {
    const bug = PLANTED.find((one) => one.name === name)!;
    for (let seed = 1; seed <= most; seed++) {
      if ((await simulate({ seed, bug })).violation) return;
    }
    throw new Error(`${name} was not found: ${bug.about}`);
  }, 300_000);
});

/** Schedules that found bugs in the protocol as it ran in production. */
describe('what was found stays found', () => {
  it.each([
    [171, 'a copy that is activated twice is fed by one pump'],
    [49, 'a device whose lease lapsed while it took a checkpoint stands still afterwards'],
    [46, 'a thread that is not deterministic outlives a broker that was silent for longer than an append may take'],
    [36, 'a fault whose message was lost is told again'],
    [8, 'a broker that goes on while it is asked where it ends is not taken for one that went back'],
    [102, 'of two commands to move a thread, one begins'],
    [20, 'a staged copy of a thread that is not deterministic releases nothing before its first checkpoint'],
    [1_166, 'a thread that is not deterministic is not restored from a checkpoint before released outputs'],
    [1_553, 'a move that ended before its intent confirms nothing of an epoch that the source has not begun'],
    [1_583, 'a command to run a newer epoch is not answered by the one that is just beginning'],
    [3_488, 'what became of a migration is read behind its epoch, not from the newest owner record'],
    [4_166, 'a thread whose runner died does not count as fenced, and is not thawed without a runner'],
    [4_694, 'a thread that is ended while it is thawed does not count as thawed'],
    [7_165, 'a controller that settles what it takes for left over does not settle on top of its own driver'],
    [7_517, 'a checkpoint whose write was given up does not land on the bytes of the next'],
    [7_804, 'a thread that is thawed while a device asks whose its threads are is kept'],
  ])('seed %i: %s', async (seed) => {
    const { violation } = await simulate({ seed });
    expect(violation?.message).toBeUndefined();
  }, 120_000);
});
