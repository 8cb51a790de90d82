/**
 * The machine in a small world: agents and a journal that lose, delay, repeat and reorder, a rival that may take the next
 * epoch, and a controller that crashes and performs effects again. Safety at every step; then the faults end, and it settles.
 */
import fc from 'fast-check';
import type { DeviceId, MigrationId, Sha256, ThreadId } from '@godwit/kernel';
import { refuse } from '@godwit/kernel';
import { DEFAULT_LIMITS as LIMITS, isSettled, step, type MigrationEffect, type MigrationEvent, type MigrationState } from './index.js';

const T0 = 0;
const ME = 'm-1' as MigrationId;
const START: MigrationState = {
  migration: ME, thread: 't' as ThreadId, source: 'd-s' as DeviceId, target: 'd-t' as DeviceId, epoch: 1, ownSeq: 10, cause: 'c',
  phase: 'planned', phaseSinceMs: T0, plannedAtMs: T0, deadlineMs: T0 + LIMITS.reserveMs, checkpoint: 0, attempts: 0,
};
const digest = (same: boolean): Sha256 => (same ? 'a' : 'b').repeat(64) as Sha256;

interface Own { epoch: number; seq: number; device: DeviceId; reason: string; migration?: MigrationId }

class World {
  state = START;
  nowMs = T0;
  /** Every owner record; the newest last. */
  readonly own: Own[] = [{ epoch: 1, seq: 10, device: START.source, reason: 'placed' }];
  private readonly inbox: MigrationEvent[] = [{ type: 'begin' }];
  private readonly effects: MigrationEffect[] = [];
  private readonly done: MigrationEffect[] = [];
  readonly accepted: Own[] = [];
  private readonly outcomes = new Set<string>();
  constructor(private readonly digestsAgree: boolean) {}

  private newest(): Own { return this.own.at(-1)!; }

  feed(event: MigrationEvent): void {
    const next = step(Object.freeze(this.state), event, this.nowMs, LIMITS);
    if (isSettled(this.state.phase)) expect(next).toEqual({ state: this.state, effects: [] });
    this.state = next.state;
    this.effects.push(...next.effects);
    if (next.state.outcome !== undefined) this.outcomes.add(next.state.outcome);
    expect(this.outcomes.size).toBeLessThanOrEqual(1);
    for (const e of next.effects) {
      if (e.type !== 'append-own') continue;
      expect(e.epoch).toBe(START.epoch + 1);
      if (e.reason === 'committed') expect(next.state).toMatchObject({ sourceDigest: digest(true), targetDigest: digest(true) });
      expect(e.device).toBe(e.reason === 'committed' ? START.target : START.source);
    }
  }

  /** Delivers one waiting event, not always the oldest. */
  deliver(at: number): void {
    if (this.inbox.length > 0) this.feed(this.inbox.splice(at % this.inbox.length, 1)[0]!);
  }
  lose(at: number): void {
    if (this.inbox.length > 0) this.inbox.splice(at % this.inbox.length, 1);
  }
  repeat(at: number): void {
    if (this.inbox.length > 0) this.inbox.push(this.inbox[at % this.inbox.length]!);
  }
  perform(at: number): void {
    if (this.effects.length === 0) return;
    const [effect] = this.effects.splice(at % this.effects.length, 1);
    this.done.push(effect!);
    this.effect(effect!);
  }
  loseEffect(at: number): void {
    if (this.effects.length > 0) this.effects.splice(at % this.effects.length, 1);
  }
  /** After a crash what was done is done once more. */
  performAgain(at: number): void {
    if (this.done.length > 0) this.effect(this.done[at % this.done.length]!);
  }
  rival(device: DeviceId): void {
    if (this.newest().epoch === START.epoch) this.own.push({ epoch: 2, seq: 20, device, reason: 'failed-over' });
  }
  tick(ms: number): void {
    this.nowMs += ms;
    this.feed({ type: 'tick' });
  }

  private effect(effect: MigrationEffect): void {
    switch (effect.type) {
      case 'prepare-target': this.inbox.push({ type: 'reserved' }); break;
      case 'append-intent': this.inbox.push({ type: 'intent-appended' }); break;
      case 'copy-live': this.inbox.push({ type: 'copied' }); break;
      case 'freeze-source': this.inbox.push({ type: 'frozen', digest: digest(true), bytes: 1 }, { type: 'staged', digest: digest(this.digestsAgree) }); break;
      case 'append-own': this.append(effect); break;
      case 'read-own': this.inbox.push({ type: 'own-read', ...this.newest() }); break;
      case 'activate-target': this.inbox.push({ type: 'active', freezeMs: 1 }); break;
      case 'retire-source': this.inbox.push({ type: 'retired' }); break;
      case 'thaw-source': this.inbox.push({ type: 'thawed' }); break;
      case 'discard-target':
        // Given up before anything was read, it may be told so blindly: an agent that owns the thread ignores it.
        if (this.state.newOwnSeq !== undefined) expect(this.newest().device).not.toBe(START.target);
        break;
      case 'publish-status': break;
    }
  }
  private append(effect: Extract<MigrationEffect, { type: 'append-own' }>): void {
    const last = this.newest();
    if (last.epoch !== effect.epoch - 1) {
      this.inbox.push({ type: 'refused', by: 'journal', refusal: refuse('append-refused', 'a newer owner record stands there') });
      return;
    }
    const mine = { epoch: effect.epoch, seq: 30, device: effect.device, reason: effect.reason, migration: ME };
    this.own.push(mine);
    this.accepted.push(mine);
    this.inbox.push({ type: 'own-appended', epoch: mine.epoch, seq: mine.seq });
  }

  heal(): void {
    for (let i = 0; i < 200 && !isSettled(this.state.phase); i++) {
      while (this.effects.length > 0) this.perform(0);
      while (this.inbox.length > 0) this.deliver(0);
      this.tick(LIMITS.reserveMs);
    }
    // What is done once it is settled is done too.
    while (this.effects.length > 0) this.perform(0);
  }
}

type Fault = (world: World) => void;
const at = fc.nat(5);
const anyFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 8, arbitrary: at.map((i): Fault => (w) => w.deliver(i)) },
  { weight: 8, arbitrary: at.map((i): Fault => (w) => w.perform(i)) },
  { weight: 1, arbitrary: at.map((i): Fault => (w) => w.lose(i)) },
  { weight: 1, arbitrary: at.map((i): Fault => (w) => w.loseEffect(i)) },
  { weight: 2, arbitrary: at.map((i): Fault => (w) => w.repeat(i)) },
  { weight: 2, arbitrary: at.map((i): Fault => (w) => w.performAgain(i)) },
  { weight: 1, arbitrary: fc.constantFrom('d-x', 'd-t', 'd-s').map((d): Fault => (w) => w.rival(d as DeviceId)) },
  { weight: 2, arbitrary: fc.constantFrom(1, LIMITS.commitMs, LIMITS.copyMs, LIMITS.reserveMs).map((ms): Fault => (w) => w.tick(ms)) },
  { weight: 1, arbitrary: fc.constant<Fault>((w) => w.feed({ type: 'cancel', refusal: refuse('refused-by-policy', 'a person cancels') })) },
);

function play(agree: boolean, faults: readonly Fault[]): World {
  const world = new World(agree);
  for (const fault of faults) fault(world);
  world.heal();
  return world;
}
const anyRun = { agree: fc.boolean(), faults: fc.array(anyFault, { maxLength: 60, size: 'max' }) };

describe('under every order of events', () => {
  it('there is at most one outcome, at most one accepted append, and it settles', () => {
    const seen = new Map<string, number>();
    fc.assert(fc.property(fc.record(anyRun), ({ agree, faults }) => {
      const world = play(agree, faults);
      expect(isSettled(world.state.phase)).toBe(true);
      expect(world.accepted.length).toBeLessThanOrEqual(1);
      if (!agree) expect(world.state.outcome).not.toBe('committed');
      seen.set(world.state.phase, (seen.get(world.state.phase) ?? 0) + 1);
    }), { numRuns: 1_500 });
    // The world is rich enough to reach all ends.
    expect([...seen.keys()].sort()).toEqual(['failed-over', 'retired', 'rolled-back']);
  });
  it('the outcome is what the journal says', () => {
    fc.assert(fc.property(fc.record(anyRun), ({ agree, faults }) => {
      const world = play(agree, faults);
      const next = world.own.find((o) => o.epoch === START.epoch + 1);
      // Without a record nothing was begun that would have to be taken back.
      const expected = next === undefined ? 'rolled-back' : next.migration === ME ? next.reason : 'failed-over';
      if (next === undefined || next.migration === ME || world.state.newOwnSeq !== undefined) expect(world.state.outcome).toBe(expected);
      else expect(world.state.outcome).toBe('rolled-back');
      if (next !== undefined && world.state.newOwnSeq !== undefined) expect(world.state.newOwnSeq).toBe(next.seq);
    }), { numRuns: 1_000 });
  });
});
