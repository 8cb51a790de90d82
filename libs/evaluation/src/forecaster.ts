/**
 * What is evaluated: the models of the bank, their combination, and whatever else can forecast (a neural model, a program of the
 * user's): it implements `Forecaster`, and `asModel` makes a member of the bank of it.
 */
import { Combination, LEVELS, MODELS, type KindRecord, type Model, type ModelDefinition, type ModelOptions, type PooledQuantiles } from '@godwit/forecasting';

export interface Forecaster {
  readonly name: string;
  /**
   * Forecasts the steps that follow each history; a history is on a regular grid, NaN where a sample is missing.
   * @returns for each history, steps × LEVELS quantiles, row by row, rising in a row; undefined where it has none to give.
   */
  forecastAll(histories: readonly Float64Array[], steps: number): readonly (Float64Array | undefined)[];
}

/** What a new series may know from others, and its natural bound. */
export interface Borrowed {
  readonly kind?: KindRecord;
  readonly pooled?: PooledQuantiles;
  /** No quantile is below it; none by default. */
  readonly floor?: number;
}

export const COMBINATION = 'combination';
/** The two rules that every forecast must beat. */
export const NAIVE: readonly string[] = ['last-value', 'rolling-median'];

/** The steps ahead to which models track their errors, for a horizon. */
export const optionsFor = (horizonSteps: number, { pooled }: Borrowed = {}): ModelOptions =>
  ({ levels: LEVELS, maxHorizonSteps: Math.max(64, horizonSteps), priorSpread: 0, ...(pooled === undefined ? {} : { shared: { pooled } }) });

/** What Godwit forecasts with: the combination of these models. */
export function createCombination(horizonSteps: number, borrowed: Borrowed = {}, models: readonly ModelDefinition[] = MODELS): Model {
  const { kind, floor } = borrowed;
  return withFloor(new Combination(models, optionsFor(horizonSteps, borrowed), kind === undefined ? {} : { kind }), floor);
}

/** Every model by itself, and their combination as the last. */
export function createAll(horizonSteps: number, borrowed: Borrowed = {}, models: readonly ModelDefinition[] = MODELS): readonly Model[] {
  // Models that stand alone must not teach what the combination's members share: their lesson would count twice.
  const alone = optionsFor(horizonSteps);
  return [...models.map((definition) => withFloor(definition.create(alone), borrowed.floor)), createCombination(horizonSteps, borrowed, models)];
}

function withFloor(model: Model, floor: number | undefined): Model {
  if (floor === undefined) return model;
  return {
    name: model.name, update: (value) => model.update(value), skip: (steps) => model.skip(steps), ready: () => model.ready?.() ?? true,
    forecast(leads, into) {
      model.forecast(leads, into);
      const cells = leads.length * LEVELS.length;
      for (let i = 0; i < cells; i++) if (into[i]! < floor) into[i] = floor;
    },
  };
}

/** Gives a model every step of a history. */
export function follow(model: Model, history: ArrayLike<number>): void {
  for (let t = 0; t < history.length; t++) {
    if (Number.isNaN(history[t]!)) model.skip(1);
    else model.update(history[t]!);
  }
}

/** Steps × LEVELS quantiles of the next steps, row by row. */
export function pathOf(model: Model, steps: number): Float64Array {
  const path = new Float64Array(steps * LEVELS.length);
  model.forecast(Int32Array.from({ length: steps }, (_, k) => k + 1), path);
  return path;
}

/** A forecaster as a member of the bank. @param historySteps of the newest history that it is given. */
export function asModel(forecaster: Forecaster, historySteps: number): ModelDefinition {
  return { name: forecaster.name, create: (options) => new ForecasterModel(forecaster, historySteps, options) };
}

class ForecasterModel implements Model {
  readonly name: string;
  private readonly ring: Float64Array;
  private seen = 0;
  private path: Float64Array | undefined;
  private pathSteps = 0;

  constructor(private readonly forecaster: Forecaster, historySteps: number, private readonly options: ModelOptions) {
    this.name = forecaster.name;
    this.ring = new Float64Array(historySteps);
  }

  ready(): boolean {
    return this.seen > 0 && this.pathFor(this.options.maxHorizonSteps) !== undefined;
  }

  update(value: number): void {
    this.push(value);
  }

  skip(steps: number): void {
    for (let left = Math.min(steps, this.ring.length); left > 0; left--) this.push(NaN);
  }

  forecast(leads: Int32Array, into: Float64Array): void {
    const width = this.options.levels.length;
    const path = this.pathFor(leads[leads.length - 1] ?? 1);
    if (path === undefined) into.fill(0, 0, leads.length * width);
    else for (let k = 0; k < leads.length; k++) for (let j = 0; j < width; j++) into[k * width + j] = path[(leads[k]! - 1) * width + j]!;
  }

  private push(value: number): void {
    this.ring[this.seen++ % this.ring.length] = value;
    this.path = undefined;
    this.pathSteps = 0;
  }

  private pathFor(steps: number): Float64Array | undefined {
    if (this.pathSteps >= steps) return this.path;
    const size = this.ring.length;
    const at = this.seen % size;
    const history = this.seen < size ? this.ring.slice(0, this.seen) : Float64Array.from({ length: size }, (_, i) => this.ring[(at + i) % size]!);
    this.path = this.forecaster.forecastAll([history], steps)[0];
    this.pathSteps = steps;
    return this.path;
  }
}
