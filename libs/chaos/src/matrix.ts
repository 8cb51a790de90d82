/**
 * The fault matrix of a migration as data: which fault, at which phase, may end how. An outcome is the row of owner
 * records from the move on: C committed, RB rolled back, FO failed over, RG re-granted (a new epoch for the same device,
 * whose process was started anew), `-` none: the target never said yes. Each cell is a pattern of such rows; whatever
 * happens, the checkers of check.ts hold too.
 */
export const PHASES = ['planned', 'reserved', 'shadowing', 'frozen', 'staged', 'committing', 'active', 'retired'] as const;
export type Phase = (typeof PHASES)[number];

export const FAULTS = [
  'source-agent', 'target-agent', 'source-runner', 'target-runner', 'controller', 'gateway', 'state-transfer', 'forecaster', 'nats', 'redis', 'redis-emptied', 'power-cut',
  'zombie-source', 'source-deaf', 'source-mute', 'source-cut-off', 'target-deaf', 'target-mute', 'target-cut-off', 'source-disk-full', 'target-disk-full', 'source-clock', 'target-clock', 'controller-clock',
] as const;
export type FaultName = (typeof FAULTS)[number];

/** What a fault needs of the machine. */
export const NEEDS: Partial<Record<FaultName, 'hosts' | 'image'>> = {
  'source-deaf': 'hosts', 'source-mute': 'hosts', 'source-cut-off': 'hosts', 'target-deaf': 'hosts', 'target-mute': 'hosts', 'target-cut-off': 'hosts',
  'source-disk-full': 'hosts', 'target-disk-full': 'hosts', 'power-cut': 'image',
};

type Row = readonly [planned: string, reserved: string, shadowing: string, frozen: string, staged: string, committing: string, active: string, retired: string];
const always = (outcome: string): Row => [outcome, outcome, outcome, outcome, outcome, outcome, outcome, outcome];

/** The owner is gone: the thread goes on elsewhere, or with the agent that came back; a move that was open rolls back first, or is overtaken. */
const LEAVES = '(RB>)?(FO|RG)';
/** It was committed to a device that is gone. */
const MOVES_ON = 'C>(FO|RG)';
/** Nothing but time is lost. */
const WAITS = '-|RB|C';

const SOURCE_LOST: Row = [LEAVES, LEAVES, LEAVES, `C|${LEAVES}`, 'C', 'C', 'C', 'C'];
const TARGET_LOST: Row = ['-|RB', '-|RB', 'RB', `RB|${MOVES_ON}`, MOVES_ON, MOVES_ON, MOVES_ON, MOVES_ON];

const OUTCOMES: Readonly<Record<FaultName, Row>> = {
  'source-agent': SOURCE_LOST,
  'target-agent': TARGET_LOST,
  'source-runner': ['(RB>)?RG', '(RB>)?RG', '(RB>)?RG', 'C|(RB>)?RG', 'C', 'C', 'C', 'C'],
  'target-runner': ['-|RB', '-|RB', 'RB', 'RB|C(>RG)?', 'C(>RG)?', 'C(>RG)?', 'C>RG', 'C>RG'],
  controller: ['-', '-|RB', 'RB', 'RB|RG', 'RB|C|RG', 'C', 'C', 'C'],
  gateway: always('C'),
  'state-transfer': always('C'),
  forecaster: always('C'),
  nats: [WAITS, WAITS, WAITS, WAITS, WAITS, 'C', 'C', 'C'],
  redis: always('C'),
  'redis-emptied': always('C'),
  'power-cut': [WAITS, WAITS, WAITS, WAITS, WAITS, 'C', 'C', 'C'],
  'zombie-source': SOURCE_LOST,
  'source-deaf': SOURCE_LOST,
  'source-mute': SOURCE_LOST,
  'source-cut-off': SOURCE_LOST,
  'target-deaf': TARGET_LOST,
  'target-mute': TARGET_LOST,
  'target-cut-off': TARGET_LOST,
  'source-disk-full': always('C'),
  'target-disk-full': always('C'),
  'source-clock': always('C'),
  'target-clock': always('C'),
  'controller-clock': always('C'),
};

export interface Cell {
  readonly fault: FaultName;
  readonly phase: Phase;
  /** As in `source-agent@frozen`. */
  readonly name: string;
  /** Outcomes that are right, as a pattern. */
  readonly expected: string;
}

export const CELLS: readonly Cell[] = FAULTS.flatMap((fault) => PHASES.map((phase, i) => ({ fault, phase, name: `${fault}@${phase}`, expected: OUTCOMES[fault][i]! })));

export const isExpected = ({ expected }: Cell, path: string): boolean => new RegExp(`^(${expected})$`).test(path);

/** The short form: what would hurt most, in a few minutes of one machine. */
export const SHORT: readonly string[] = ['source-agent@shadowing', 'target-agent@committing', 'controller@staged', 'nats@committing', 'zombie-source@reserved', 'source-cut-off@shadowing'];
