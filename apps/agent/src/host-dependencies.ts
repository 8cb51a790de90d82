/** What a thread's host is given, and in which states it can be. */
import type { Clock, DeviceId, Refusal } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import type { Log } from '@godwit/shell';
import type { CheckpointWriter } from './checkpoints.js';
import type { OwnLog } from './own-log.js';

export type HostState = 'preparing' | 'staged' | 'running' | 'frozen' | 'suspended' | 'faulted' | 'exited' | 'fenced' | 'ended';

export interface HostDependencies {
  readonly device: DeviceId;
  readonly journal: Journal;
  readonly checkpoints: CheckpointWriter;
  readonly ownLog: OwnLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Tells the controller: exited, faulted, fenced. */
  readonly tell: (kind: 'exited' | 'faulted' | 'fenced', refusal?: Refusal) => void;
}
