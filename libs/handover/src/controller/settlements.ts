/** Every decision is settled after its horizon: what was expected against what the series really did. Bounded. */
import { isRefusal, type DeviceId, type InstantMs, type ThreadId } from '@godwit/kernel';
import { settle, type Decision, type Observed, type Settlement } from '@godwit/decision';

const STEP_MS = 1_000;
const MOST = 1_000;

interface Waiting {
  readonly decision: Decision;
  readonly fromMs: InstantMs;
  effectiveFromStep: number | undefined;
  readonly source: { capacityCores: number[]; demandCores: number[] };
  readonly target: { capacityCores: number[]; demandCores: number[] };
  readonly thread: number[];
}

export interface Measured {
  deviceNow(device: DeviceId): { demandCores: number; capacityCores: number } | undefined;
  threadDemand(thread: ThreadId): number | undefined;
}

export class Settlements {
  private readonly waiting = new Map<string, Waiting>();

  constructor(private readonly horizonMs: number) {}

  /** @param effective false while its effect is still to come, as with a migration. */
  add(decision: Decision, effective: boolean): void {
    if (this.waiting.size >= MOST) return;
    this.waiting.set(decision.decision, {
      decision, fromMs: decision.atMs, effectiveFromStep: effective ? 0 : undefined, source: { capacityCores: [], demandCores: [] }, target: { capacityCores: [], demandCores: [] }, thread: [],
    });
  }
  effective(decision: string): void {
    const waiting = this.waiting.get(decision);
    if (waiting) waiting.effectiveFromStep ??= waiting.thread.length;
  }

  /** Once a second: notes the series, and gives what is due. */
  observe(nowMs: InstantMs, measured: Measured): Settlement[] {
    const due: Settlement[] = [];
    for (const [id, waiting] of this.waiting) {
      const { decision } = waiting;
      note(waiting.source, decision.source && measured.deviceNow(decision.source));
      note(waiting.target, decision.target && measured.deviceNow(decision.target));
      waiting.thread.push(measured.threadDemand(decision.thread) ?? waiting.thread.at(-1) ?? 0);
      if (nowMs - waiting.fromMs < this.horizonMs) continue;
      this.waiting.delete(id);
      const settlement = settle(decision, observedOf(waiting, nowMs));
      if (!isRefusal(settlement)) due.push(settlement);
    }
    return due;
  }
}

function note(series: { capacityCores: number[]; demandCores: number[] }, now: { demandCores: number; capacityCores: number } | undefined | ''): void {
  if (!now) return;
  series.capacityCores.push(now.capacityCores);
  series.demandCores.push(now.demandCores);
}

function observedOf(waiting: Waiting, nowMs: InstantMs): Observed {
  const whole = (series: Waiting['source']): boolean => series.demandCores.length === waiting.thread.length;
  return {
    settledAtMs: nowMs, stepMs: STEP_MS, threadDemandCores: waiting.thread,
    ...(whole(waiting.source) ? { source: waiting.source } : {}),
    ...(whole(waiting.target) ? { target: waiting.target } : {}),
    ...(waiting.effectiveFromStep === undefined ? {} : { effectiveFromStep: waiting.effectiveFromStep }),
  };
}
