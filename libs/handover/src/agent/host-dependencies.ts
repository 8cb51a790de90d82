/** What a thread's host is given, and in which states it can be. */
import type { Clock, DeviceId, Refusal, Timers } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import type { Checkpoints, Log, OwnLog } from '../ports.js';
import type { ChainLimits } from './checkpoint-chain.js';

export type HostState = 'preparing' | 'staged' | 'running' | 'frozen' | 'suspended' | 'faulted' | 'exited' | 'fenced' | 'ended';

export interface HostDependencies {
  readonly device: DeviceId;
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly ownLog: OwnLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** When a new base is due. */
  readonly chain?: ChainLimits;
  /** Tells the controller: exited, faulted, fenced. */
  readonly tell: (kind: 'exited' | 'faulted' | 'fenced', refusal?: Refusal) => void;
}
