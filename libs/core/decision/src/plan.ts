/**
 * The Predictive Resource Manager's choice: snapshot in, decisions out. Pure and deterministic.
 *
 * Invariants:
 *  D1. No more moves at once than the limits, those in flight included.
 *  D2. A move for gain never makes the simulated overload of its two devices together greater.
 *  D3. What is decided is counted before the next is considered.
 *  D4. A device about which something fires gets an act, or one `keep` with the reason per cool-down.
 */
import type { DeviceId, IdSource } from '@godwit/kernel';
import { ACTS, type Declined, type Proposal } from './act/index.js';
import { Board, type DeviceState, type ThreadState } from './board.js';
import type { Decision } from './decision.js';
import type { PlanLimits } from './limits.js';
import { placeOn } from './place.js';
import { seconds, sentence } from './reason.js';
import { keptLately, recordKeep, recordProposal } from './record.js';
import type { ClusterSnapshot } from './snapshot.js';
import { TRIGGERS, type Firing } from './trigger/index.js';
import { unthrottle } from './unthrottle.js';

export interface Plan {
  /** In the order in which they were taken; each counts on those before it. */
  readonly decisions: readonly Decision[];
}

/** Dead devices are left out: see `restorePlan`. */
export function plan(snapshot: ClusterSnapshot, limits: PlanLimits, ids: IdSource): Plan {
  const board = new Board(snapshot, limits);
  const placed = placeOn(board, ids);
  const { decisions, quiet } = relieve(board, ids);
  return { decisions: [...placed, ...decisions, ...unthrottle(board, quiet, ids)] };
}

function fire(board: Board, device: DeviceState): Firing | undefined {
  if (!device.view.alive) return undefined;
  for (const trigger of TRIGGERS) {
    const firing = board.limits.triggers.includes(trigger.name) ? trigger.fire(board, device) : undefined;
    if (firing !== undefined) return firing;
  }
  return undefined;
}

/** Who must be left comes first, then the earliest overload, then the higher risk, then the smaller id. */
function isMoreUrgent(a: Firing, b: Firing): boolean {
  const rank = (f: Firing): readonly number[] => [f.purpose === 'evacuate' ? 0 : 1, f.overloadInMs ?? Infinity, -f.risk];
  const [x, y] = [rank(a), rank(b)];
  const differs = x.findIndex((value, i) => value !== y[i]);
  return differs >= 0 && x[differs]! < y[differs]!;
}

/** The devices where something fires, the most urgent first; answers also the devices that are quiet. */
function relieve(board: Board, ids: IdSource): { decisions: Decision[]; quiet: DeviceState[] } {
  const decisions: Decision[] = [];
  const quiet: DeviceState[] = [];
  const pending = new Map<DeviceId, Firing>();
  for (const device of board.devices.values()) {
    const firing = fire(board, device);
    if (firing === undefined) quiet.push(device);
    else pending.set(device.id, firing);
  }
  const acted = new Set<DeviceId>();
  while (pending.size > 0) {
    const firing = [...pending.values()].reduce((first, f) => (isMoreUrgent(f, first) ? f : first));
    const { device } = firing;
    const decision = act(board, firing, acted.has(device.id), ids);
    if (decision !== undefined) decisions.push(decision);
    if (decision === undefined || decision.action === 'keep') {
      pending.delete(device.id);
      continue;
    }
    acted.add(device.id);
    for (const id of [device.id, decision.target]) {
      if (id === undefined || !pending.has(id)) continue;
      const again = fire(board, board.device(id));
      if (again === undefined) pending.delete(id);
      else pending.set(id, again);
    }
  }
  return { decisions, quiet };
}

/** The first step of the ladder that helps; a move that would come too late gives way to a later step that does more. */
function act(board: Board, firing: Firing, again: boolean, ids: IdSource): Decision | undefined {
  const declined: Declined[] = [];
  let late: Proposal | undefined;
  for (const plugin of ACTS) {
    const proposal = plugin.propose(board, firing);
    if (proposal.kind === 'declined') {
      declined.push(proposal);
      continue;
    }
    if (late !== undefined && proposal.net <= late.net) continue;
    const isLate = firing.overloadInMs !== undefined && proposal.effectiveInMs > firing.overloadInMs && firing.purpose === 'relieve';
    if (isLate && late === undefined) {
      late = proposal;
      continue;
    }
    return take(board, firing, proposal, late === undefined ? whyNot(declined) : tooLate(late, firing), ids);
  }
  if (late !== undefined) return take(board, firing, late, undefined, ids);
  return again || firing.device.moves > 0 ? undefined : keep(board, firing, declined, ids);
}

function take(board: Board, firing: Firing, proposal: Proposal, because: string | undefined, ids: IdSource): Decision {
  const decision = recordProposal(board, firing, proposal, because, ids);
  proposal.promise();
  return decision;
}

const whyNot = (declined: readonly Declined[]): string | undefined => (declined.length === 0 ? undefined : sentence(...declined.map((d) => d.reason)));
const tooLate = (late: Proposal, firing: Firing): string =>
  `moving ${late.thread.id} to ${late.target?.id ?? 'another device'} would take ${seconds(late.effectiveInMs)} and end after the overload begins${firing.overloadInMs ? ` in ${seconds(firing.overloadInMs)}` : ''}`;

/** One `keep` per device and cool-down: the same state of things is not worth a record every second. */
function keep(board: Board, firing: Firing, declined: readonly Declined[], ids: IdSource): Decision | undefined {
  const concerned = firing.thread === undefined ? [...firing.device.threads.values()] : [firing.thread];
  if (concerned.length === 0 || concerned.some((t) => keptLately(board, t))) return undefined;
  const subject: ThreadState = firing.thread ?? declined.find((d) => d.thread !== undefined)?.thread ?? concerned[0]!;
  const candidates = declined.find((d) => d.candidates.length > 0)?.candidates ?? [];
  return recordKeep(board, firing, subject, sentence(...declined.map((d) => d.reason)), candidates, ids);
}
