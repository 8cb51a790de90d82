import type { Model, ModelDefinition } from '@godwit/forecasting';
import type { Behaviour } from './behaviour.js';

/** Rows kept of a path: what lies further ahead repeats the last. */
const MOST_ROWS = 128;
/** A path is made anew when the phase changes, and at the latest after so many steps: between, the older one answers, shifted. */
const RENEW_STEPS = 5;

/**
 * Behaviour as a member of a series' bank of models: it earns its weight by its losses like any other, and has none while it
 * has nothing to say (one phase, or no traces). Whoever feeds the series tells it of each step by `stepped`, after the series
 * has taken the step's sample, so that no forecast knows more than was known at its time.
 */
export class PhaseMember implements Model {
  static readonly modelName = 'behaviour';
  readonly name = PhaseMember.modelName;
  /** Made with the first path: most threads never have one. */
  private rows: Float64Array | undefined;
  private count = 0;
  /** Steps from the newest one that the bank has learnt to that of row 0. */
  private firstLead = 0;
  private madeSteps = 0;
  private phase = -1;

  constructor(private readonly width: number) {}

  /** The definition by which a bank takes this very member in. */
  get definition(): ModelDefinition {
    return { name: this.name, create: () => this };
  }

  /** The behaviour has seen the step that the series has open. */
  stepped(behaviour: Behaviour, horizonSteps: number): void {
    this.madeSteps++;
    const phase = behaviour.presentPhase;
    if (this.count > 0 && phase === this.phase && this.madeSteps < RENEW_STEPS) return;
    this.phase = phase;
    this.madeSteps = 0;
    const path = behaviour.demandPath(Math.min(MOST_ROWS, horizonSteps));
    this.count = path === undefined ? 0 : path.length / this.width;
    if (path === undefined) return;
    this.rows ??= new Float64Array(MOST_ROWS * this.width);
    this.rows.set(path);
    // The open step is lead 1, so the first of the path is lead 2.
    this.firstLead = 2;
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
    if (this.count === 0 || this.rows === undefined) {
      into.fill(0, 0, leads.length * width);
      return;
    }
    for (let k = 0; k < leads.length; k++) {
      const row = Math.min(this.count - 1, Math.max(0, leads[k]! - this.firstLead)) * width;
      for (let j = 0; j < width; j++) into[k * width + j] = this.rows[row + j]!;
    }
  }
}
