import type { DurationMs, InstantMs } from '@godwit/kernel';
import type { Model } from './model.js';

/** A forecast of a series that was made elsewhere (a neural model in a worker) and takes part in the series' combination. */
export interface ExternalForecast {
  /** The model's name without its version: losses are counted by name, and a version must not lose what its forerunner earned. */
  readonly model: string;
  readonly issuedAtMs: InstantMs;
  readonly stepMs: DurationMs;
  /** Rows × levels quantiles, row by row, in the unit of the series; row k stands for the interval that ends at issuedAtMs + (k + 1) × stepMs. */
  readonly values: Float64Array | Float32Array;
}

/** Rows kept of a path; what lies further ahead repeats the last kept row. */
export const MOST_EXTERNAL_ROWS = 128;

/**
 * The newest path of an external model as a member of the bank. Between two paths the older one answers at the shifted lead;
 * beyond its last row that row is held. Once the whole path lies in the past the member is not ready, and has no weight.
 */
export class ExternalPath implements Model {
  name = 'external';
  private rows: Float64Array = new Float64Array(0);
  private count = 0;
  /** Grid steps from the newest learnt step to the step of row 0; 1 when the path is fresh, negative as it ages. */
  private firstLead = 0;

  constructor(private readonly width: number) {}

  /** @param firstLead steps from the newest learnt step to that of row 0. @param rowsPerStep rows of the path in a step of the grid. */
  accept(forecast: ExternalForecast, firstLead: number, rowsPerStep: number): void {
    const given = forecast.values.length / this.width;
    this.count = Math.min(MOST_EXTERNAL_ROWS, Math.max(1, Math.floor(given / rowsPerStep)));
    if (this.rows.length < this.count * this.width) this.rows = new Float64Array(MOST_EXTERNAL_ROWS * this.width);
    for (let k = 0; k < this.count; k++) {
      const from = Math.min(given - 1, Math.floor((k + 0.5) * rowsPerStep)) * this.width;
      for (let j = 0; j < this.width; j++) {
        const value = forecast.values[from + j]!;
        // A network's quantiles may cross; a model's may not.
        this.rows[k * this.width + j] = j > 0 ? Math.max(value, this.rows[k * this.width + j - 1]!) : value;
      }
    }
    this.name = forecast.model;
    this.firstLead = firstLead;
  }

  ready(): boolean {
    return this.count > 0 && 1 - this.firstLead < this.count;
  }

  update(): void {
    this.firstLead--;
  }

  skip(steps: number): void {
    this.firstLead -= steps;
  }

  forecast(leads: Int32Array, into: Float64Array): void {
    const { width } = this;
    if (this.count === 0) {
      into.fill(0, 0, leads.length * width);
      return;
    }
    for (let k = 0; k < leads.length; k++) {
      const row = Math.min(this.count - 1, Math.max(0, leads[k]! - this.firstLead));
      for (let j = 0; j < width; j++) into[k * width + j] = this.rows[row * width + j]!;
    }
  }
}
