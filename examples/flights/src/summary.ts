/**
 * What `--once` proves, from the records alone: pure functions over what the journal holds, what was sampled and what was
 * told. The promises are at the end, each with the figures it was judged by.
 */
import type { DurationMs, InstantMs, Sha256 } from '@godwit/kernel';
import { CHAIN_START, chainOutput, type ThreadOutput } from '@godwit/snapshot';
import type { Sha256Of } from '@godwit/kernel';
import type { MigrationLive } from './live-state.js';

/** An output as the journal has it. */
export interface JournalOutput extends ThreadOutput {
  readonly atMs: InstantMs;
  readonly epoch: number;
}
/** A second of one thread's life, from the samples of whoever owned it. */
export interface ThreadSecond {
  /** Begin of the second. */
  readonly atMs: InstantMs;
  readonly device: string;
  /** CPU used, plus the CPU that the growth of its backlog stands for, cores. */
  readonly demandCores: number;
}

export interface ChainCheck {
  readonly outputs: number;
  readonly chainHash: Sha256;
  /** Undefined when the numbers are 1 to N and every hash follows from the one before. */
  readonly broken?: string;
}

export function checkChain(outputs: readonly JournalOutput[], sha256: Sha256Of): ChainCheck {
  let hash = CHAIN_START;
  for (const [i, output] of outputs.entries()) {
    if (output.n !== i + 1) return { outputs: outputs.length, chainHash: hash, broken: `output ${i + 1} is missing; the journal goes on with ${output.n}` };
    const { n, causedBySeq, originMs, messages, exit } = output;
    const expected = chainOutput(hash, { n, causedBySeq, originMs, messages, ...(exit ? { exit } : {}) }, sha256).hash;
    if (expected !== output.hash) return { outputs: outputs.length, chainHash: hash, broken: `output ${n} does not have the hash of its content` };
    hash = output.hash;
  }
  return { outputs: outputs.length, chainHash: hash };
}

/** @param share 0..1 @returns the smallest value that so many of the values do not pass; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? NaN;
}

export interface Latencies {
  readonly p50: DurationMs;
  readonly p99: DurationMs;
  readonly max: DurationMs;
  /** Seconds in which the slowest output that reached the journal was later than the goal. */
  readonly lateSeconds: number;
}

/** From the outside input at the root of each output to the output itself, both by the journal's clock. */
export function latencies(outputs: readonly JournalOutput[], goalMs: DurationMs): Latencies {
  const measured = outputs.filter(({ originMs }) => originMs > 0).map(({ atMs, originMs }) => ({ atMs, ms: atMs - originMs }));
  const late = new Set(measured.filter(({ ms }) => ms > goalMs).map(({ atMs }) => Math.floor(atMs / 1_000)));
  const all = measured.map(({ ms }) => ms);
  return { p50: quantile(all, 0.5), p99: quantile(all, 0.99), max: quantile(all, 1), lateSeconds: late.size };
}

/** One sample row of a thread. */
export interface ThreadRow {
  readonly atMs: InstantMs;
  readonly device: string;
  readonly cpuCores: number;
  readonly backlogRecords: number;
  readonly consumedPerSecond: number;
}

/**
 * Demand second by second: CPU used plus growth of the backlog times the CPU that a record takes. The price of a record
 * is that of this run (CPU over records in a sliding window), so nothing is assumed about it.
 */
export function demandSeconds(rows: readonly ThreadRow[]): ThreadSecond[] {
  const bySecond = new Map<number, ThreadRow[]>();
  for (const row of rows) {
    const second = Math.floor(row.atMs / 1_000);
    bySecond.set(second, [...(bySecond.get(second) ?? []), row]);
  }
  const seconds = [...bySecond].sort(([a], [b]) => a - b);
  const result: ThreadSecond[] = [];
  let before: number | undefined;
  const recent: { cpu: number; served: number }[] = [];
  for (const [second, inside] of seconds) {
    const last = inside.at(-1)!;
    const mean = (of: (row: ThreadRow) => number): number => inside.reduce((sum, row) => sum + of(row), 0) / inside.length;
    const cpu = mean(({ cpuCores }) => cpuCores);
    recent.push({ cpu, served: mean(({ consumedPerSecond }) => consumedPerSecond) });
    if (recent.length > PRICE_SECONDS) recent.shift();
    const served = recent.reduce((sum, step) => sum + step.served, 0);
    const perRecord = served === 0 ? 0 : recent.reduce((sum, step) => sum + step.cpu, 0) / served;
    // What piled up before is not this second's demand: only growth counts.
    const growth = Math.max(0, last.backlogRecords - (before ?? last.backlogRecords));
    before = last.backlogRecords;
    result.push({ atMs: second * 1_000, device: last.device, demandCores: cpu + growth * perRecord });
  }
  return result;
}
const PRICE_SECONDS = 5;

/** Second by second what several threads need together, wherever each of them was; the device is that of the first. */
export function together([first = [], ...others]: readonly (readonly ThreadSecond[])[]): ThreadSecond[] {
  const rest = others.map((seconds) => new Map(seconds.map((second) => [second.atMs, second.demandCores])));
  return first.map((second) => ({ ...second, demandCores: rest.reduce((sum, demands) => sum + (demands.get(second.atMs) ?? 0), second.demandCores) }));
}

/** Seconds in which the device that owned the thread had more to do for its threads than it can. */
export function overloadSeconds(thread: readonly ThreadSecond[], others: readonly (readonly ThreadSecond[])[], capacityOf: (device: string) => number): number {
  const onDevice = new Map<string, number>();
  const key = ({ atMs, device }: ThreadSecond): string => `${atMs} ${device}`;
  for (const second of [thread, ...others].flat()) onDevice.set(key(second), (onDevice.get(key(second)) ?? 0) + second.demandCores);
  return thread.filter((second) => onDevice.get(key(second))! > capacityOf(second.device)).length;
}

/** When demand first passed `capacityCores` and stayed there on average for two seconds; a burst that a queue takes is none. */
export function passedAtMs(seconds: readonly ThreadSecond[], capacityCores: number): InstantMs | undefined {
  return seconds.find((second, i) => {
    const next = seconds[i + 1];
    return second.demandCores > capacityCores && next !== undefined && (second.demandCores + next.demandCores) / 2 > capacityCores;
  })?.atMs;
}

export interface ReplayResult {
  readonly outputs: number;
  readonly chainHash: Sha256;
}
export interface ThreadAccount {
  readonly thread: string;
  readonly chain: ChainCheck;
  readonly replay: ReplayResult;
  readonly latencies: Latencies;
}
export interface RunAccount {
  readonly policy: string;
  readonly goalMs: DurationMs;
  readonly flightsIn: number;
  /** From the board's last line. */
  readonly flightsCounted: number;
  readonly flightsMissing: number;
  readonly flightsRepeated: number;
  readonly threads: readonly ThreadAccount[];
  readonly loaded: string;
  /** The device on which the loaded thread was first seen. */
  readonly beganOn: string;
  readonly overloadSeconds: number;
  /** Highest demand of the loaded thread over two seconds, cores. */
  readonly peakCores: number;
  readonly migrations: readonly MigrationLive[];
  /** The first decision to move the loaded thread, and when what its source had to carry then passed what it has. */
  readonly decidedAtMs?: InstantMs;
  readonly sourceCores?: number;
  readonly source?: string;
  readonly passedAtMs?: InstantMs;
}

export interface Verdict {
  readonly promise: string;
  readonly kept: boolean;
  readonly figures: string;
}

const ms = (value: number): string => `${Math.round(value)} ms`;
const loadedOf = (run: RunAccount): ThreadAccount | undefined => run.threads.find(({ thread }) => thread === run.loaded);

/** Time from the decision to the moment when the measured demand of the threads that the source then had passed its capacity, ms; negative when it came too late. */
export const leadMs = ({ decidedAtMs, passedAtMs: passed }: RunAccount): DurationMs | undefined => (decidedAtMs === undefined || passed === undefined ? undefined : passed - decidedAtMs);

export function promises(off: RunAccount, on: RunAccount): Verdict[] {
  const committed = on.migrations.filter(({ outcome }) => outcome === 'committed');
  const lead = leadMs(on);
  const [lateOff, lateOn] = [loadedOf(off)?.latencies, loadedOf(on)?.latencies];
  return [
    { promise: 'both runs began on the same device', kept: off.beganOn === on.beganOn, figures: `${off.loaded} on ${off.beganOn}, and on ${on.beganOn}` },
    { promise: 'a thread was moved', kept: committed.some(({ thread }) => thread === on.loaded), figures: `${committed.length} of ${on.migrations.length} migrations committed` },
    { promise: 'the decision came before the overload', kept: lead !== undefined && lead > 0, figures: leadText(on, lead) },
    { promise: 'without moves the load makes messages late', kept: (lateOff?.p99 ?? 0) > off.goalMs, figures: `p99 ${ms(lateOff?.p99 ?? NaN)}, goal ${ms(off.goalMs)}` },
    { promise: 'with moves it does not', kept: (lateOn?.p99 ?? Infinity) <= on.goalMs, figures: `p99 ${ms(lateOn?.p99 ?? NaN)}, goal ${ms(on.goalMs)}` },
    ...[off, on].flatMap(accountPromises),
  ];
}

function leadText({ source, sourceCores, decidedAtMs }: RunAccount, lead: DurationMs | undefined): string {
  if (decidedAtMs === undefined) return 'nobody decided to move it';
  if (lead === undefined) return `the demand on ${source ?? 'its source'} would never have passed its ${sourceCores ?? 0} cores`;
  return `decided ${(Math.abs(lead) / 1_000).toFixed(1)} s ${lead > 0 ? 'before' : 'after'} the demand that ${source ?? 'its source'} would have had passed its ${sourceCores ?? 0} cores`;
}

function accountPromises(run: RunAccount): Verdict[] {
  const broken = run.threads.find(({ chain }) => chain.broken !== undefined);
  const other = run.threads.find(({ chain, replay }) => chain.chainHash !== replay.chainHash || chain.outputs !== replay.outputs);
  const outputs = run.threads.reduce((sum, { chain }) => sum + chain.outputs, 0);
  const { flightsIn, flightsCounted, flightsMissing, flightsRepeated } = run;
  return [
    { promise: `${run.policy}: every flight is counted once`, kept: flightsCounted === flightsIn && flightsMissing === 0 && flightsRepeated === 0, figures: `${flightsIn} in, ${flightsCounted} counted, ${flightsMissing} missing, ${flightsRepeated} repeated` },
    { promise: `${run.policy}: outputs are numbered without a gap, their hashes chain`, kept: broken === undefined, figures: broken ? `${broken.thread}: ${broken.chain.broken}` : `${outputs} outputs of ${run.threads.length} threads` },
    { promise: `${run.policy}: equal to an unmoved replay of the same journal, bit for bit`, kept: other === undefined, figures: other ? `${other.thread}: ${other.chain.outputs} outputs, ${other.chain.chainHash.slice(0, 12)}…, and ${other.replay.outputs}, ${other.replay.chainHash.slice(0, 12)}… in the replay` : run.threads.map(({ thread, chain }) => `${thread} ${chain.chainHash.slice(0, 12)}…`).join(', ') },
  ];
}
