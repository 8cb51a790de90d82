import { refuse, type DeviceId, type InstantMs, type Refusal } from '@godwit/kernel';
import { isSettled, type MigrationEffect, type MigrationEvent, type MigrationLimits, type MigrationState, type Phase, type Step } from './migration.js';

const waitMs = (phase: Phase, limits: MigrationLimits): number => {
  switch (phase) {
    case 'planned': return limits.reserveMs;
    case 'shadowing': return limits.shadowMs;
    case 'reserved': case 'frozen': return limits.copyMs;
    case 'staged': case 'committing': case 'rolling-back': return limits.commitMs;
    default: return limits.activateMs;
  }
};

const stay = (state: MigrationState, ...effects: MigrationEffect[]): Step => ({ state, effects });

function enter(state: MigrationState, phase: Phase, nowMs: InstantMs, limits: MigrationLimits, ...effects: MigrationEffect[]): Step {
  const next = { ...state, phase, phaseSinceMs: nowMs, deadlineMs: nowMs + waitMs(phase, limits), attempts: 0 };
  return { state: next, effects: [{ type: 'publish-status', state: next }, ...effects] };
}

/** Before the commit was asked for: ends without harm. Before the intent there is nothing to take back in the journal. */
function abandon(state: MigrationState, failure: Refusal, nowMs: InstantMs, limits: MigrationLimits): Step {
  const failed = { ...state, failure };
  if (state.phase === 'planned') return enter({ ...failed, outcome: 'rolled-back' }, 'rolled-back', nowMs, limits, { type: 'discard-target' });
  return enter(failed, 'rolling-back', nowMs, limits, rollback(failed));
}

const rollback = (state: MigrationState): MigrationEffect => ({
  type: 'append-own', epoch: state.epoch + 1, device: state.source, reason: 'rolled-back', checkpoint: state.checkpoint,
  note: state.failure ? state.failure.reason : 'rolled back',
});
const commit = (state: MigrationState): MigrationEffect => ({
  type: 'append-own', epoch: state.epoch + 1, device: state.target, reason: 'committed', checkpoint: state.checkpoint, note: state.cause,
});

/** The next owner record is known: ours or somebody else's (M4). */
function settle(state: MigrationState, own: { epoch: number; seq: number; device?: DeviceId }, outcome: 'committed' | 'rolled-back' | 'failed-over', nowMs: InstantMs, limits: MigrationLimits): Step {
  const known = { ...state, newEpoch: own.epoch, newOwnSeq: own.seq, outcome };
  switch (outcome) {
    case 'committed':
      return stay({ ...known, phase: 'committing', deadlineMs: nowMs + limits.activateMs, attempts: 0 }, { type: 'activate-target', epoch: own.epoch, ownSeq: own.seq });
    case 'rolled-back':
      return enter(known, 'rolled-back', nowMs, limits, { type: 'thaw-source', epoch: own.epoch, ownSeq: own.seq }, { type: 'discard-target' });
    case 'failed-over':
      // The winner may have promoted the copy on our target: then it is no longer ours to discard.
      return enter(known, 'failed-over', nowMs, limits, ...(own.device === state.target ? [] : [{ type: 'discard-target' } as const]));
  }
}

function onOwnRead(state: MigrationState, event: Extract<MigrationEvent, { type: 'own-read' }>, nowMs: InstantMs, limits: MigrationLimits): Step {
  if (event.epoch < state.epoch) return stay(state);
  if (event.epoch === state.epoch) {
    // Nobody has written yet: the append did not land. Ask again for what this phase is about.
    return stay({ ...state, deadlineMs: nowMs + limits.commitMs }, state.phase === 'committing' ? commit(state) : rollback(state));
  }
  const mine = event.migration === state.migration && event.epoch === state.epoch + 1;
  // A frozen source that heard nothing took the next epoch itself: it goes on, as after a rollback.
  const kept = event.epoch === state.epoch + 1 && event.reason === 're-granted' && event.device === state.source;
  const outcome = mine && (event.reason === 'committed' || event.reason === 'rolled-back') ? event.reason : kept ? 'rolled-back' : 'failed-over';
  return settle(state, event, outcome, nowMs, limits);
}

function onDeadline(state: MigrationState, nowMs: InstantMs, limits: MigrationLimits): Step {
  const later = { ...state, deadlineMs: nowMs + waitMs(state.phase, limits), attempts: state.attempts + 1 };
  switch (state.phase) {
    case 'committing':
      if (state.newOwnSeq === undefined) return stay(later, { type: 'read-own' });
      // Owned but silent: ask again; when that does not help, failure detection decides with the next epoch.
      if (later.attempts > limits.activateAttempts) return enter(state, 'failed-over', nowMs, limits);
      return stay(later, { type: 'activate-target', epoch: state.newEpoch!, ownSeq: state.newOwnSeq });
    case 'rolling-back':
      return stay(later, { type: 'read-own' });
    case 'active':
      if (later.attempts > limits.activateAttempts) return enter(state, 'retired', nowMs, limits);
      return stay(later, { type: 'retire-source', epoch: state.newEpoch! });
    default:
      return abandon(state, refuse('timeout', `no answer in phase ${state.phase} within ${waitMs(state.phase, limits)} ms`), nowMs, limits);
  }
}

/** Before the commit, in the phase that expects it; anything else is late or repeated and changes nothing. */
function forward(state: MigrationState, event: MigrationEvent, nowMs: InstantMs, limits: MigrationLimits): Step {
  switch (event.type) {
    case 'begin':
      return state.phase === 'planned' ? stay(state, { type: 'publish-status', state }, { type: 'prepare-target' }) : stay(state);
    case 'reserved':
      return state.phase === 'planned' ? enter(state, 'reserved', nowMs, limits, { type: 'append-intent' }) : stay(state);
    case 'intent-appended':
      return state.phase === 'reserved' ? enter(state, 'shadowing', nowMs, limits, { type: 'copy-live' }) : stay(state);
    case 'copied':
      return state.phase === 'shadowing' && state.sourceDigest === undefined ? stay({ ...state, deadlineMs: nowMs + limits.copyMs }, { type: 'freeze-source' }) : stay(state);
    case 'frozen':
      if (state.phase !== 'shadowing') return stay(state);
      return compare(enter({ ...state, sourceDigest: event.digest, bytes: event.bytes }, 'frozen', nowMs, limits), nowMs, limits);
    case 'staged':
      if (state.phase !== 'shadowing' && state.phase !== 'frozen') return stay(state);
      return compare(stay({ ...state, targetDigest: event.digest }), nowMs, limits);
    default:
      return stay(state);
  }
}

/** Both digests may come in either order; when both are there they decide (M3). */
function compare(step: Step, nowMs: InstantMs, limits: MigrationLimits): Step {
  const { state } = step;
  if (state.phase !== 'frozen' || state.sourceDigest === undefined || state.targetDigest === undefined) return step;
  if (state.sourceDigest !== state.targetDigest) {
    const next = abandon(state, refuse('digest-mismatch', `the copy's digest ${state.targetDigest} is not the source's ${state.sourceDigest}`), nowMs, limits);
    return { state: next.state, effects: [...step.effects, ...next.effects] };
  }
  const staged = enter(state, 'staged', nowMs, limits);
  const committing = enter(staged.state, 'committing', nowMs, limits, commit(state));
  return { state: committing.state, effects: [...step.effects, ...staged.effects, ...committing.effects] };
}

/** The whole protocol, seen from the controller. Never throws; unknown and late events change nothing. */
export function step(state: MigrationState, event: MigrationEvent, nowMs: InstantMs, limits: MigrationLimits): Step {
  if (isSettled(state.phase)) return stay(state);
  switch (event.type) {
    case 'tick':
      return nowMs >= state.deadlineMs ? onDeadline(state, nowMs, limits) : stay(state);
    case 'own-read':
      // Overtaken: the new owner was lost before it said that it runs, and somebody has decided. There is nothing left to ask it.
      if (state.newEpoch !== undefined) return event.epoch > state.newEpoch ? enter(state, state.phase === 'active' ? 'retired' : 'failed-over', nowMs, limits) : stay(state);
      return state.phase === 'committing' || state.phase === 'rolling-back' ? onOwnRead(state, event, nowMs, limits) : stay(state);
    case 'own-appended':
      if (state.newOwnSeq !== undefined) return stay(state);
      if (state.phase === 'committing') return settle(state, event, 'committed', nowMs, limits);
      return state.phase === 'rolling-back' ? settle(state, event, 'rolled-back', nowMs, limits) : stay(state);
    case 'active':
      if (state.phase !== 'committing' || state.newEpoch === undefined) return stay(state);
      return enter({ ...state, freezeMs: event.freezeMs }, 'active', nowMs, limits, { type: 'retire-source', epoch: state.newEpoch });
    case 'retired':
      return state.phase === 'active' ? enter(state, 'retired', nowMs, limits) : stay(state);
    case 'refused': case 'cancel':
      return isUndoable(state.phase) ? abandon(state, event.refusal, nowMs, limits) : stay(state);
    default:
      return isUndoable(state.phase) ? forward(state, event, nowMs, limits) : stay(state);
  }
}

const isUndoable = (phase: Phase): boolean => phase === 'planned' || phase === 'reserved' || phase === 'shadowing' || phase === 'frozen';
