/** What is learnt of a thread beside its demand: the phases of its behaviour, and how it performs on devices. */
import { Behaviour, PhaseMember, type Counter } from '@godwit/behaviour';
import { LEVELS } from '@godwit/forecasting';
import { ThreadPerformance, type PerformanceAt, type PerformanceReading } from '@godwit/performance';
import type { Reading } from '@godwit/telemetry';
import type { History, PerformanceMessage, PhaseMessage } from '@godwit/wire';
import { STEP_MS } from './roll-up.js';
import type { SeriesMaker } from './series-making.js';

/** Counts of one thread since its last step; no span means that no trace has come. */
export interface Trace {
  readonly counters: readonly Counter[];
  readonly spanMs: number;
}

/** So many sites of a step go into the history: enough for a successor to tell the phases apart. */
const SITES_IN_HISTORY = 8;
const TOTAL = 'trace.per_second';
const SITE = 'trace.';
const OTHERS = 'other sites';
/** Performance changes slowly; it is worked out anew so often. */
const PERFORMANCE_ROUNDS = 5;

export class ThreadMind {
  readonly member = new PhaseMember(LEVELS.length);
  private behaviour: Behaviour | undefined;
  private performance: ThreadPerformance | undefined;
  private performanceNow: readonly PerformanceMessage[] = [];
  private rounds = 0;

  constructor(private readonly maker: Pick<SeriesMaker, 'horizonSteps' | 'outlook'>) {}

  /** Call after the series has taken the step. */
  step(trace: Trace | undefined, demand: number | undefined): void {
    if (trace === undefined || !(trace.spanMs > 0)) {
      this.behaviour?.skip(1);
      return;
    }
    // A thread that has never counted anything may be of a runtime that does not count.
    if (this.behaviour === undefined && trace.counters.length === 0) return;
    this.behaviour ??= new Behaviour({ levels: LEVELS, outlook: this.maker.outlook });
    this.behaviour.observe({ ...trace, demand });
    this.member.stepped(this.behaviour, this.maker.horizonSteps);
  }

  /** The step's trace as columns of the history, from which a successor learns the phases. */
  columns(trace: Trace | undefined): Reading {
    if (trace === undefined || !(trace.spanMs > 0) || (this.behaviour === undefined && trace.counters.length === 0)) return {};
    const perSecond = 1_000 / trace.spanMs;
    const heaviest = [...trace.counters].sort((a, b) => b.count - a.count).slice(0, SITES_IN_HISTORY);
    const columns: Record<string, number> = { [TOTAL]: trace.counters.reduce((sum, { count }) => sum + count, 0) * perSecond };
    for (const { name, count } of heaviest) columns[`${SITE}${name}`.slice(0, 256)] = count * perSecond;
    return columns;
  }

  /** Takes row `row` of a history, with the demand of then. */
  replay({ columns }: History, row: number, demand: number | undefined): void {
    const total = columns.find(({ metric }) => metric === TOTAL)?.values[row];
    if (total === undefined || !Number.isFinite(total)) return this.step(undefined, demand);
    let rest = total;
    const counters: Counter[] = [];
    for (const { metric, values } of columns) {
      if (!metric.startsWith(SITE) || metric === TOTAL || !Number.isFinite(values[row])) continue;
      counters.push({ name: metric.slice(SITE.length), count: values[row]! });
      rest -= values[row]!;
    }
    if (rest > 0.5) counters.push({ name: OTHERS, count: rest });
    this.step({ counters, spanMs: STEP_MS }, demand);
  }

  get phase(): PhaseMessage | undefined {
    const estimate = this.behaviour?.estimate();
    if (estimate === undefined) return undefined;
    const { phase, label, probability, count, ageSteps, next } = estimate;
    const ms = (steps: number | undefined): number | undefined => steps && steps * STEP_MS;
    const [inMsP10, inMsP50, inMsP90] = [ms(next?.inSteps.p10), ms(next?.inSteps.p50), ms(next?.inSteps.p90)];
    return {
      phase, label: label.slice(0, 256), probabilityRatio: Math.min(1, Math.max(0, probability)), count, ageMs: ageSteps * STEP_MS,
      ...(next === undefined ? {} : {
        next: {
          phase: next.phase, label: next.label.slice(0, 256), probabilityRatio: Math.min(1, Math.max(0, next.probability)),
          ...(inMsP10 === undefined ? {} : { inMsP10 }), ...(inMsP50 === undefined ? {} : { inMsP50 }), ...(inMsP90 === undefined ? {} : { inMsP90 }),
        },
      }),
    };
  }

  performed(reading: PerformanceReading): void {
    if (reading.latencyMsP50 === undefined && reading.latencyMsP99 === undefined && !(reading.consumedPerSecond! > 0)) return;
    this.performance ??= new ThreadPerformance();
    this.performance.observe(reading);
  }

  /** @param places asked only when it is time: the devices to say something about, its own first. */
  performanceAt(places: () => readonly PerformanceAt[]): readonly PerformanceMessage[] {
    const { performance } = this;
    if (performance === undefined) return [];
    if (this.rounds++ % PERFORMANCE_ROUNDS === 0) {
      this.performanceNow = places().flatMap((place) => {
        const predicted = performance.predict(place);
        return predicted === undefined ? [] : [{ device: place.device, utilisationRatio: place.utilisationRatio, ...predicted }];
      });
    }
    return this.performanceNow;
  }
}
