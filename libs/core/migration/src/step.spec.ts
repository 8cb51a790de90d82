import { refuse, type DeviceId, type MigrationId, type Sha256, type ThreadId } from '@godwit/kernel';
import { DEFAULT_LIMITS as LIMITS, isSettled, step, type MigrationEffect, type MigrationEvent, type MigrationState, type Phase } from './index.js';

const T0 = 1_000_000;
const SAME = 'a'.repeat(64) as Sha256;
const OTHER = 'b'.repeat(64) as Sha256;
const planned: MigrationState = {
  migration: 'm-1' as MigrationId, thread: 't-1' as ThreadId, source: 'd-s' as DeviceId, target: 'd-t' as DeviceId, epoch: 4, ownSeq: 40, cause: 'why',
  phase: 'planned', phaseSinceMs: T0, plannedAtMs: T0, deadlineMs: T0 + LIMITS.reserveMs, checkpoint: 3, attempts: 0,
};
const refusal = refuse('no-capacity', 'full');

/** Feeds events one by one, a millisecond apart. */
function run(events: readonly MigrationEvent[], from: MigrationState = planned): { state: MigrationState; effects: MigrationEffect[]; phases: Phase[] } {
  let state = from;
  const effects: MigrationEffect[] = [];
  events.forEach((event, i) => {
    const next = step(state, event, T0 + i, LIMITS);
    state = next.state;
    effects.push(...next.effects);
  });
  return { state, effects, phases: effects.flatMap((e) => (e.type === 'publish-status' ? [e.state.phase] : [])) };
}
const named = (effects: readonly MigrationEffect[]): string[] => effects.flatMap((e) => (e.type === 'publish-status' ? [] : [e.type]));

const HAPPY: readonly MigrationEvent[] = [
  { type: 'begin' }, { type: 'reserved' }, { type: 'intent-appended' }, { type: 'copied' }, { type: 'frozen', digest: SAME, bytes: 9 }, { type: 'staged', digest: SAME },
  { type: 'own-appended', epoch: 5, seq: 50 }, { type: 'active', freezeMs: 12 }, { type: 'retired' },
];
/** The state after the first `n` happy events. */
const after = (n: number): MigrationState => run(HAPPY.slice(0, n)).state;
const undoable: readonly (readonly [Phase, number])[] = [['reserved', 2], ['shadowing', 3], ['frozen', 5]];
const everyPhase: readonly (readonly [string, MigrationState])[] = [
  ...HAPPY.map((_, n) => [`${after(n).phase} after ${n} events`, after(n)] as const), ['rolling-back', step(after(3), { type: 'cancel', refusal }, T0, LIMITS).state],
];

describe('a migration that goes well', () => {
  it('runs through every phase and asks for each effect once', () => {
    const { state, effects, phases } = run(HAPPY);
    expect(phases).toEqual(['planned', 'reserved', 'shadowing', 'frozen', 'staged', 'committing', 'active', 'retired']);
    expect(named(effects)).toEqual(['prepare-target', 'append-intent', 'copy-live', 'freeze-source', 'append-own', 'activate-target', 'retire-source']);
    expect(state).toMatchObject({ phase: 'retired', outcome: 'committed', newEpoch: 5, newOwnSeq: 50, freezeMs: 12, bytes: 9 });
  });
  it('commits with the next epoch, the target, the outcome and the checkpoint in one record', () => {
    expect(run(HAPPY).effects.find((e) => e.type === 'append-own')).toEqual({ type: 'append-own', epoch: 5, device: 'd-t', reason: 'committed', checkpoint: 3, note: 'why' });
  });
  it('takes the two digests in either order', () => {
    const swapped = [...HAPPY.slice(0, 4), HAPPY[5]!, HAPPY[4]!, ...HAPPY.slice(6)];
    expect(run(swapped).state).toMatchObject({ phase: 'retired', outcome: 'committed' });
  });
  it('does not append the intent before the target said yes (M2)', () => expect(named(run([{ type: 'begin' }, { type: 'intent-appended' }, { type: 'frozen', digest: SAME, bytes: 1 }]).effects)).toEqual(['prepare-target']));
});

describe('a refusal', () => {
  it('before the intent leaves nothing in the journal', () => {
    for (const type of ['refused', 'cancel'] as const) {
      const { state, effects } = run([{ type: 'begin' }, type === 'refused' ? { type, by: 'target', refusal } : { type, refusal }]);
      expect(state).toMatchObject({ phase: 'rolled-back', outcome: 'rolled-back', failure: refusal });
      expect(named(effects)).toEqual(['prepare-target', 'discard-target']);
    }
  });
  it.each(undoable)('in phase %s is taken back by the next owner record', (phase, n) => {
    const begun = after(n);
    expect(begun.phase).toBe(phase);
    const back = step(begun, { type: 'refused', by: 'source', refusal }, T0 + 99, LIMITS);
    expect(back.state).toMatchObject({ phase: 'rolling-back', failure: refusal });
    expect(back.state.outcome).toBeUndefined();
    expect(back.effects).toContainEqual({ type: 'append-own', epoch: 5, device: 'd-s', reason: 'rolled-back', checkpoint: 3, note: 'full' });
    const end = run([{ type: 'own-appended', epoch: 5, seq: 51 }], back.state);
    expect(end.state).toMatchObject({ phase: 'rolled-back', outcome: 'rolled-back', newEpoch: 5, newOwnSeq: 51 });
    expect(named(end.effects)).toEqual(['thaw-source', 'discard-target']);
  });
  it.each([6, 7, 8])('after the commit was asked for changes nothing (event %p)', (n) => {
    for (const event of [{ type: 'refused', by: 'journal', refusal }, { type: 'cancel', refusal }] as const) expect(step(after(n), event, T0, LIMITS)).toEqual({ state: after(n), effects: [] });
  });
});

describe('different digests', () => {
  it.each([[[4, 5]], [[5, 4]]])('roll back and never commit (order %p)', (order) => {
    const digests: readonly MigrationEvent[] = [{ type: 'frozen', digest: SAME, bytes: 9 }, { type: 'staged', digest: OTHER }];
    const { state, effects } = run([...HAPPY.slice(0, 4), ...order.map((i) => digests[i - 4]!)]);
    expect(state).toMatchObject({ phase: 'rolling-back', failure: { code: 'digest-mismatch' } });
    expect(effects.flatMap((e) => (e.type === 'append-own' ? [e.reason] : []))).toEqual(['rolled-back']);
  });
});

describe('a deadline', () => {
  const late = (state: MigrationState): ReturnType<typeof step> => step(state, { type: 'tick' }, state.deadlineMs, LIMITS);
  it.each(everyPhase)('is not passed a moment before it (%s)', (_name, state) => expect(step(state, { type: 'tick' }, state.deadlineMs - 1, LIMITS)).toEqual({ state, effects: [] }));
  it('before the target answered ends it without harm', () => expect(late(after(1)).state).toMatchObject({ phase: 'rolled-back', failure: { code: 'timeout' } }));
  it.each(undoable)('in phase %s leads to the rollback append', (_phase, n) => {
    const { state, effects } = late(after(n));
    expect(state).toMatchObject({ phase: 'rolling-back', failure: { code: 'timeout' } });
    expect(named(effects)).toEqual(['append-own']);
  });
  it('during the commit leads to reading, never to another outcome', () => {
    const { state, effects } = late(after(6));
    expect(state).toMatchObject({ phase: 'committing', attempts: 1 });
    expect(named(effects)).toEqual(['read-own']);
    expect(state.deadlineMs).toBe(after(6).deadlineMs + LIMITS.commitMs);
  });
  it('while rolling back leads to reading', () => {
    const back = step(after(3), { type: 'cancel', refusal }, T0, LIMITS).state;
    expect(named(late(back).effects)).toEqual(['read-own']);
  });
  it('after the commit repeats the effect, and leaves it to failure detection in the end', () => {
    let state = after(7);
    for (let i = 0; i < LIMITS.activateAttempts; i++) {
      const next = late(state);
      expect(named(next.effects)).toEqual(['activate-target']);
      state = next.state;
    }
    expect(late(state).state).toMatchObject({ phase: 'failed-over' });
  });
  it('of a source that does not retire does not hold the migration up for ever', () => {
    let state = after(8);
    for (let i = 0; i < LIMITS.activateAttempts; i++) {
      const next = late(state);
      expect(named(next.effects)).toEqual(['retire-source']);
      state = next.state;
    }
    expect(late(state).state).toMatchObject({ phase: 'retired', outcome: 'committed' });
  });
});

describe('the newest owner record', () => {
  const read = (epoch: number, more: Partial<Extract<MigrationEvent, { type: 'own-read' }>> = {}): MigrationEvent => ({ type: 'own-read', epoch, seq: 60, device: 'd-x' as DeviceId, reason: 'failed-over', ...more });
  const back = step(after(3), { type: 'cancel', refusal }, T0, LIMITS).state;
  it('that nobody has written asks for the same append again', () => {
    expect(step(after(6), read(4), T0, LIMITS).effects).toMatchObject([{ type: 'append-own', reason: 'committed', epoch: 5 }]);
    expect(step(back, read(4), T0, LIMITS).effects).toMatchObject([{ type: 'append-own', reason: 'rolled-back', epoch: 5 }]);
  });
  it('that is older than the one it started from is a late answer and changes nothing', () => {
    for (const state of [after(6), back]) expect(step(state, read(3), T0, LIMITS)).toEqual({ state, effects: [] });
  });
  it('that is ours after all is adopted, whichever of the two it is (M4)', () => {
    const mine = { migration: 'm-1' as MigrationId };
    for (const state of [after(6), back]) {
      expect(step(state, read(5, { ...mine, reason: 'committed', device: 'd-t' as DeviceId }), T0, LIMITS).state).toMatchObject({ phase: 'committing', outcome: 'committed', newOwnSeq: 60 });
      expect(step(state, read(5, { ...mine, reason: 'rolled-back', device: 'd-s' as DeviceId }), T0, LIMITS).state).toMatchObject({ phase: 'rolled-back', outcome: 'rolled-back', newOwnSeq: 60 });
    }
  });
  it('of somebody else is a lost race', () => {
    for (const state of [after(6), back]) {
      const lost = step(state, read(5), T0, LIMITS);
      expect(lost.state).toMatchObject({ phase: 'failed-over', outcome: 'failed-over', newEpoch: 5, newOwnSeq: 60 });
      expect(named(lost.effects)).toEqual(['discard-target']);
      // Even with our name on it, two epochs on is somebody else's.
      expect(step(state, read(6, { migration: 'm-1' as MigrationId, reason: 'committed' }), T0, LIMITS).state.outcome).toBe('failed-over');
    }
  });
  it('that made the target the owner leaves the target alone', () => {
    for (const state of [after(6), back]) {
      const lost = step(state, read(5, { device: 'd-t' as DeviceId }), T0, LIMITS);
      expect(lost.state.phase).toBe('failed-over');
      expect(named(lost.effects)).toEqual([]);
    }
  });
  it('that is newer than the one that the migration has won ends the asking; the outcome stays', () => {
    for (const [n, phase] of [[7, 'failed-over'], [8, 'retired']] as const) {
      const overtaken = step(after(n), read(6), T0, LIMITS);
      expect(overtaken.state).toMatchObject({ phase, outcome: 'committed', newEpoch: 5 });
      expect(named(overtaken.effects)).toEqual([]);
    }
  });
  it('changes nothing in phases that do not ask for it', () => {
    for (const n of [0, 1, 2, 3, 5, 7, 8]) expect(step(after(n), read(5), T0, LIMITS)).toEqual({ state: after(n), effects: [] });
  });
});

describe('late and repeated events', () => {
  it('change nothing once it is settled', () => {
    const settled = [run(HAPPY).state, run([{ type: 'begin' }, { type: 'cancel', refusal }]).state];
    for (const state of settled) for (const event of [...HAPPY, { type: 'cancel', refusal } as const, { type: 'tick' } as const]) expect(step(state, event, T0 + 1e9, LIMITS)).toEqual({ state, effects: [] });
  });
  it('of an earlier phase change nothing', () => {
    for (let n = 2; n < HAPPY.length; n++) {
      for (const event of HAPPY.slice(0, n - 1)) {
        // Two of them may be said again in the phase that follows: asking for the freeze twice, and a digest that is the same.
        const repeated = step(after(n), event, T0, LIMITS);
        expect(repeated.state).toEqual(after(n));
        expect(named(repeated.effects).filter((e) => e !== 'freeze-source')).toEqual([]);
      }
    }
  });
  it('answer the same when a step is repeated from the saved state after a crash (M6)', () => {
    HAPPY.forEach((event, n) => expect(step(after(n), event, T0 + n, LIMITS)).toEqual(step(after(n), event, T0 + n, LIMITS)));
  });
  it('never change the state that was given', () => {
    HAPPY.forEach((event, n) => expect(() => step(Object.freeze({ ...after(n) }), event, T0, LIMITS)).not.toThrow());
    expect(isSettled(run(HAPPY).state.phase)).toBe(true);
  });
});
