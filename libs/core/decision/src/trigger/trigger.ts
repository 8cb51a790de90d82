import type { DurationMs } from '@godwit/kernel';
import type { Board, DeviceState, ThreadState } from '../board.js';
import type { TriggerName } from '../decision.js';
import type { Purpose } from '../request.js';

export interface Firing {
  readonly trigger: TriggerName;
  readonly purpose: Extract<Purpose, 'relieve' | 'evacuate'>;
  readonly device: DeviceState;
  /** The one thread it is about; absent when the device as a whole is. */
  readonly thread?: ThreadState;
  /** Until demand passes capacity at the trigger's quantile, ms from now. */
  readonly overloadInMs?: DurationMs;
  /** Probability of that within the horizon, 0..1. */
  readonly risk: number;
  /** Pressure is measured against this share of capacity, so that relief of a device near its mark counts. */
  readonly capacityRatio: number;
  /** The figures, as the first part of the reason. */
  readonly figures: string;
}

/** Asks whether something should be done about a device. Pure. */
export interface TriggerPlugin {
  readonly name: TriggerName;
  readonly doc: string;
  fire(board: Board, device: DeviceState): Firing | undefined;
}

/** When demand at the quantile passes the capacity; shared by the triggers, which differ in what they make of it. */
export function outlook(board: Board, device: DeviceState): { overloadInMs?: DurationMs; step: number; risk: number } {
  const step = device.load.firstStepAbove(board.deviations);
  const risk = device.load.risk();
  return step < 0 ? { step, risk } : { overloadInMs: step * board.grid.stepMs, step, risk };
}
