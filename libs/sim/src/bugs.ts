/** Hooks by which a planted bug takes one rule of the protocol away, behind the ports. */
import type { AgentCalls } from '@godwit/handover';
import type { Journal, PurgeFacts, PurgeMarks } from '@godwit/journal';
import type { Checkpoints, OwnLog } from '@godwit/handover';
import type { ThreadSpec } from '@godwit/registry';
import type { Broker, BrokerRules } from './broker.js';
import type { SimDevice } from './device.js';
import type { FaultKind } from './faults.js';
import type { Proc } from './proc.js';
import type { JournalHabits } from './sim-journal.js';
import type { SimRunner } from './sim-runner.js';
import type { StoreRules } from './store.js';

export interface BugContext {
  readonly proc: Proc;
  readonly broker: Broker;
}

export interface Bug {
  readonly name: string;
  /** What the rule's loss means, one sentence. */
  readonly about: string;
  /** Faults that every schedule gets, so that the bug has its chance. */
  readonly faults: readonly FaultKind[];
  readonly broker?: Partial<BrokerRules>;
  readonly store?: Partial<StoreRules>;
  readonly habits?: Partial<JournalHabits>;
  readonly agentJournal?: (journal: Journal, context: BugContext) => Journal;
  readonly controllerJournal?: (journal: Journal, context: BugContext) => Journal;
  readonly checkpoints?: (checkpoints: Checkpoints, context: BugContext) => Checkpoints;
  readonly calls?: (calls: AgentCalls) => AgentCalls;
  readonly runner?: (runner: SimRunner, context: BugContext) => SimRunner;
  readonly selfFencing?: false;
  readonly syncsOwnLog?: false;
  readonly ownLog?: (ownLog: OwnLog) => OwnLog;
  readonly purgeMarks?: (facts: PurgeFacts, lastSeq: number) => PurgeMarks;
  /** What an agent does by itself when it starts. */
  readonly onBoot?: (device: SimDevice, specs: readonly ThreadSpec[], broker: Broker) => void;
}

/** A port with some of its methods replaced. */
export function altered<Port extends object>(port: Port, changes: Partial<Port>): Port {
  return new Proxy(port, {
    get: (target, key) => {
      const changed = (changes as Record<PropertyKey, unknown>)[key];
      if (changed !== undefined) return changed;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value),
  });
}
