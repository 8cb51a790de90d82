/** How this app makes a series: what all of them share, so that a new one borrows from its kind and all learn for all. */
import { PhaseOutlook } from '@godwit/behaviour';
import { KindMemory, LEVELS, MODELS, PooledQuantiles, Series, type ModelDefinition } from '@godwit/forecasting';
import type { DurationMs } from '@godwit/kernel';
import { STEP_MS } from './roll-up.js';

/** Steps ahead to which errors are tracked at least. */
const LEAST_TRACKED_STEPS = 64;

export interface SeriesKind {
  readonly resource: string;
  readonly unit: string;
  /** Series of one kind are alike: a device's kind, a thread's program. */
  readonly kindName: string;
  /** Models beside those of the bank. */
  readonly beside?: readonly ModelDefinition[];
}

export class SeriesMaker {
  private readonly maxHorizonSteps: number;
  private readonly memory: KindMemory;
  private readonly pooled: PooledQuantiles;
  /** Where the demand of phases is worked out, one thread after the other. */
  readonly outlook = new PhaseOutlook(LEVELS);

  constructor(readonly horizonMs: DurationMs) {
    this.maxHorizonSteps = Math.max(LEAST_TRACKED_STEPS, Math.ceil(horizonMs / STEP_MS));
    this.memory = new KindMemory(LEVELS.length, this.maxHorizonSteps);
    this.pooled = new PooledQuantiles(LEVELS, this.maxHorizonSteps);
  }

  get horizonSteps(): number {
    return Math.ceil(this.horizonMs / STEP_MS);
  }

  make({ resource, unit, kindName, beside = [] }: SeriesKind): Series {
    return new Series({
      resource, unit, floor: 0, maxHorizonSteps: this.maxHorizonSteps, memory: this.memory, kindName: `${kindName} ${resource}`, pooled: this.pooled,
      ...(beside.length === 0 ? {} : { models: [...MODELS, ...beside] }),
    });
  }
}
