/**
 * Divides a capacity among threads: weighted max-min fairness by water-filling (Bertsekas and Gallager, Data Networks, 6.5.2).
 *
 * 1. The sum of the shares is never above the capacity, no share above its thread's `maxCores`.
 * 2. Nobody gets more than it demands while somebody gets less than it could use: demands are filled first.
 * 3. Work-conserving: the sum is the smaller of the capacity and the sum of all `maxCores`; what is left after the demands is
 *    given to all by weight, since a demand is an estimate, and a cap at the estimate would make it come true.
 * 4. Fair: whoever is short of its demand has at least as many cores per weight as anybody else.
 */
export interface ThreadDemand {
  readonly id: string;
  /** What the thread would use if nothing held it, cores. */
  readonly demandCores: number;
  /** Above 0; twice the weight, twice the share when cores are short. */
  readonly weight: number;
  /** What it can use at most, cores: 1 for a thread with one OS thread. */
  readonly maxCores: number;
}

export interface Capacity {
  readonly capacityCores: number;
  readonly threads: readonly ThreadDemand[];
}

/** @returns each thread's share, cores. Numbers that are negative or not finite count as 0; ids must differ. */
export function shareCores({ capacityCores, threads }: Capacity): Map<string, number> {
  const maxima = threads.map((thread) => amount(thread.maxCores));
  const weights = threads.map((thread) => amount(thread.weight));
  const wanted = threads.map((thread, index) => Math.min(amount(thread.demandCores), maxima[index] as number));
  const capacity = amount(capacityCores);
  const granted = fill(capacity, wanted, weights);
  const left = Math.max(0, capacity - sum(granted));
  const slack = fill(left, maxima.map((cores, index) => cores - (granted[index] as number)), weights);
  return new Map(threads.map((thread, index) => [thread.id, (granted[index] as number) + (slack[index] as number)]));
}

/** Pours `capacity` so that each gets min(its limit, level × weight), with one level for all. */
function fill(capacity: number, limits: readonly number[], weights: readonly number[]): number[] {
  const granted = limits.map(() => 0);
  const byLevel = limits.map((_, index) => index)
    .filter((index) => (limits[index] as number) > 0 && (weights[index] as number) > 0)
    .sort((left, right) => levelAt(limits, weights, left) - levelAt(limits, weights, right));
  let left = capacity;
  let weightLeft = byLevel.reduce((total, index) => total + (weights[index] as number), 0);
  for (const index of byLevel) {
    const weight = weights[index] as number;
    // The last one takes what is left: a quotient of a difference of sums would lose or invent some.
    const share = weight >= weightLeft ? left : left * (weight / weightLeft);
    const grant = Math.min(limits[index] as number, share, left);
    granted[index] = grant;
    left -= grant;
    weightLeft -= weight;
  }
  return granted;
}

const levelAt = (limits: readonly number[], weights: readonly number[], index: number): number => (limits[index] as number) / (weights[index] as number);
const amount = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
