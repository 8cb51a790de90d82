/**
 * A window of a series → what the network reads, free of unit and level.
 *
 * 1. Everything is a difference to the last value over a scale of the window: shifting or stretching a series shifts or stretches
 *    its quantiles, and nothing else.
 * 2. At each lead the network starts from last value, or from a line or a cycle that was clearly better, and the scale is the
 *    error that this start had within the window. What is learnt is what can be known beyond that.
 * 3. The network does not invent a point: it mixes anchors (means, medians, last cycles, trends) by what it reads. That is learnt
 *    from far fewer series than a free answer.
 */
import { ANCHORS, LEADS, LEAD_TRAITS, LEAST_STEPS, PATCHES, PATCH_CHANNELS, PATCH_STEPS, TRAITS, WINDOW_STEPS } from './shape.js';
import { backtest, newBacktest, SIMPLE_FORECASTS, simpleForecast, writeShares } from './simple-forecasts.js';
import { findSeason, meanOfNewest, medianOfNewest, seasonalAt, slopeOfNewest } from './window-measures.js';

/** Inputs of a batch of windows, row by row; rows of the patches stand patch by patch (all windows' first patch, then the second…). */
export interface EncodedBatch {
  readonly size: number;
  readonly patches: Float32Array;
  readonly traits: Float32Array;
  /** Windows × leads × ANCHORS, in scales of the lead. */
  readonly anchors: Float32Array;
  readonly leadTraits: Float32Array;
  /** Per window: the last value, which all answers are relative to. */
  readonly lasts: Float64Array;
  /** Windows × leads, in the unit of the series; 0 for a window that never moves. */
  readonly scales: Float64Array;
  /** Windows × leads: where the answer starts, relative to the last value, in the unit of the series. */
  readonly starts: Float64Array;
  /** Windows × leads × SIMPLE_FORECASTS: each one's share of the start. */
  readonly shares: Float64Array;
  /** Steps of the cycle that was found, 0 for none. */
  readonly periods: Int32Array;
}

export function newBatch(size: number): EncodedBatch {
  const leads = LEADS.length;
  return {
    size, patches: new Float32Array(size * PATCHES * PATCH_CHANNELS), traits: new Float32Array(size * TRAITS),
    anchors: new Float32Array(size * leads * ANCHORS), leadTraits: new Float32Array(size * leads * LEAD_TRAITS),
    lasts: new Float64Array(size), scales: new Float64Array(size * leads),
    starts: new Float64Array(size * leads), shares: new Float64Array(size * leads * SIMPLE_FORECASTS), periods: new Int32Array(size),
  };
}

/** No scale of a lead is below this share of the window's mean size: a perfect cycle would have none. */
const LEAST_SCALE_RATIO = 0.01;
/** Where too few pairs tell, a scale is so many times that of the lead half as long: less than a random walk's. */
const UNKNOWN_GROWTH = 1.2;
/** A window that moves less than this share of its level stands still: the rest is rounding. */
const STILL_RATIO = 1e-9;
/** Anchors further away than so many scales are cut. */
const MOST_SCALES = 10;

const window = new Float64Array(WINDOW_STEPS);
const tested = newBacktest();

/**
 * Writes row `row` of `batch`.
 * @param history oldest first, NaN for missing steps; only its newest `WINDOW_STEPS` are read.
 * @returns false when it has fewer than `LEAST_STEPS` steps since its first value; the row is then that of a window that stands still.
 */
export function encode(history: ArrayLike<number>, end: number, batch: EncodedBatch, row: number): boolean {
  const steps = readWindow(history, end);
  const last = steps === 0 ? 0 : window[steps - 1]!;
  batch.lasts[row] = last;
  clearRow(batch, row);
  if (steps < LEAST_STEPS) return false;
  let largest = 0;
  let move = 0;
  for (let t = 0; t < steps; t++) {
    largest = Math.max(largest, Math.abs(window[t]!));
    window[t] = window[t]! - last;
    if (t > 0) move += Math.abs(window[t]! - window[t - 1]!);
  }
  move /= steps - 1;
  const mean = meanOfNewest(window, steps, steps);
  let spread = 0;
  for (let t = 0; t < steps; t++) spread += Math.abs(window[t]! - mean) / steps;
  const size = Math.max(spread, move);
  if (!(size > STILL_RATIO * largest)) return true;
  const season = findSeason(window, steps, mean);
  batch.periods[row] = season.period;
  backtest(window, steps, season.period, tested);
  writeStarts(steps, season.period, size, batch, row);
  writePatches(steps, batch, row);
  writeAnchors(steps, season.period, batch, row);
  writeTraits({ steps, size, mean, ...season }, batch, row);
  return true;
}

/** Copies the newest steps before `end`; a gap repeats the value before it. @returns how many there are. */
function readWindow(history: ArrayLike<number>, end: number): number {
  let from = Math.max(0, end - WINDOW_STEPS);
  while (from < end && Number.isNaN(history[from]!)) from++;
  let value = 0;
  for (let t = from; t < end; t++) {
    const given = history[t]!;
    if (!Number.isNaN(given)) value = given;
    window[t - from] = value;
  }
  return end - from;
}

/** The window as differences to its last value, valid until the next call. */
export function windowOf(history: ArrayLike<number>, end: number): { readonly values: Float64Array; readonly steps: number } {
  const steps = readWindow(history, end);
  const last = steps === 0 ? 0 : window[steps - 1]!;
  for (let t = 0; t < steps; t++) window[t] = window[t]! - last;
  return { values: window, steps };
}

function clearRow(batch: EncodedBatch, row: number): void {
  for (let p = 0; p < PATCHES; p++) batch.patches.fill(0, (p * batch.size + row) * PATCH_CHANNELS, (p * batch.size + row + 1) * PATCH_CHANNELS);
  batch.traits.fill(0, row * TRAITS, (row + 1) * TRAITS);
  batch.anchors.fill(0, row * LEADS.length * ANCHORS, (row + 1) * LEADS.length * ANCHORS);
  batch.leadTraits.fill(0, row * LEADS.length * LEAD_TRAITS, (row + 1) * LEADS.length * LEAD_TRAITS);
  batch.scales.fill(0, row * LEADS.length, (row + 1) * LEADS.length);
  batch.starts.fill(0, row * LEADS.length, (row + 1) * LEADS.length);
  batch.periods[row] = 0;
}

function writeStarts(steps: number, period: number, size: number, batch: EncodedBatch, row: number): void {
  const floor = LEAST_SCALE_RATIO * size;
  let shorter = 0;
  for (let i = 0; i < LEADS.length; i++) {
    const at = row * LEADS.length + i;
    const best = writeShares(tested, i, floor, batch.shares, at * SIMPLE_FORECASTS);
    const own = Number.isNaN(best) ? shorter * UNKNOWN_GROWTH : best;
    shorter = Math.max(floor, own);
    batch.scales[at] = shorter;
    batch.starts[at] = startAt(batch, at, window, steps, period, LEADS[i]!);
  }
}

/** Weighted mean of the simple forecasts `lead` steps ahead, with the shares of lead cell `at` (window × leads). */
export function startAt(batch: EncodedBatch, at: number, values: Float64Array, steps: number, period: number, lead: number): number {
  let start = 0;
  for (let kind = 0; kind < SIMPLE_FORECASTS; kind++) {
    const share = batch.shares[at * SIMPLE_FORECASTS + kind]!;
    if (share > 1e-6) start += share * simpleForecast(kind, values, steps, period, lead);
  }
  return start;
}

/** Lead whose scale the patches are drawn in: the window's own middle. */
const MIDDLE_LEAD = 3;

function writePatches(steps: number, batch: EncodedBatch, row: number): void {
  const step = batch.scales[row * LEADS.length]!;
  const scale = batch.scales[row * LEADS.length + MIDDLE_LEAD]!;
  for (let p = 0; p < PATCHES; p++) {
    const at = (p * batch.size + row) * PATCH_CHANNELS;
    let present = 0;
    for (let k = 0; k < PATCH_STEPS; k++) {
      const t = steps - WINDOW_STEPS + p * PATCH_STEPS + k;
      if (t < 0) continue;
      present++;
      batch.patches[at + k] = Math.asinh(window[t]! / scale);
      if (t > 0) batch.patches[at + PATCH_STEPS + k] = Math.asinh((window[t]! - window[t - 1]!) / step);
    }
    batch.patches[at + 2 * PATCH_STEPS] = present / PATCH_STEPS;
  }
}

function writeAnchors(steps: number, period: number, batch: EncodedBatch, row: number): void {
  const means = [4, 16, 64].map((count) => meanOfNewest(window, steps, count));
  const medians = [16, 128].map((count) => medianOfNewest(window, steps, count));
  const slopes = [8, 32, 128].map((count) => slopeOfNewest(window, steps, count));
  for (let i = 0; i < LEADS.length; i++) {
    const lead = LEADS[i]!;
    const cell = row * LEADS.length + i;
    const scale = batch.scales[cell]!;
    const start = batch.starts[cell]!;
    const values = [
      0, window[steps - 2]!, ...means, ...medians, seasonalAt(window, steps, period, lead, 1), seasonalAt(window, steps, period, lead, 4),
      slopes[0]! * Math.min(lead, 8), slopes[1]! * Math.min(lead, 32), slopes[2]! * lead,
    ];
    const traitsAt = cell * LEAD_TRAITS;
    for (let k = 0; k < ANCHORS; k++) {
      const away = (values[k]! - start) / scale;
      batch.anchors[cell * ANCHORS + k] = Math.max(-MOST_SCALES, Math.min(MOST_SCALES, away));
      batch.leadTraits[traitsAt + k] = Math.max(-4, Math.min(4, Math.asinh(away)));
    }
    const relative = (error: number): number => (Number.isNaN(error) ? 0 : Math.max(-6, Math.min(6, Math.log(Math.max(error, 1e-3 * scale) / scale))));
    for (let kind = 0; kind < SIMPLE_FORECASTS; kind++) batch.leadTraits[traitsAt + ANCHORS + kind] = relative(tested.errors[i * SIMPLE_FORECASTS + kind]!);
    batch.leadTraits[traitsAt + ANCHORS + 5] = relative(tested.calm[i]!);
    batch.leadTraits[traitsAt + ANCHORS + 6] = i / (LEADS.length - 1);
    batch.leadTraits[traitsAt + ANCHORS + 7] = Math.log(scale / batch.scales[row * LEADS.length]!);
  }
}

interface WindowFacts {
  readonly steps: number;
  readonly size: number;
  readonly mean: number;
  readonly period: number;
  readonly strength: number;
}

function writeTraits({ steps, size, mean, period, strength }: WindowFacts, batch: EncodedBatch, row: number): void {
  const scale = batch.scales[row * LEADS.length + MIDDLE_LEAD]!;
  const move = tested.errors[0]!;
  let recentMove = 0;
  let recentSpread = 0;
  const recentFrom = Math.max(1, steps - 16);
  const recentMean = meanOfNewest(window, steps, 16);
  let still = 0;
  let largestMove = 0;
  let moveProduct = 0;
  let moveSquare = 0;
  let spreadProduct = 0;
  let spreadSquare = 0;
  let highest = -Infinity;
  let lowest = Infinity;
  for (let t = 0; t < steps; t++) {
    const value = window[t]!;
    highest = Math.max(highest, value);
    lowest = Math.min(lowest, value);
    spreadSquare += (value - mean) ** 2;
    if (t >= recentFrom) recentSpread += Math.abs(value - recentMean) / (steps - recentFrom);
    if (t === 0) continue;
    const change = value - window[t - 1]!;
    spreadProduct += (value - mean) * (window[t - 1]! - mean);
    if (Math.abs(change) < 1e-6 * scale) still++;
    largestMove = Math.max(largestMove, Math.abs(change));
    moveSquare += change ** 2;
    if (t > 1) moveProduct += change * (window[t - 1]! - window[t - 2]!);
    if (t >= recentFrom) recentMove += Math.abs(change) / (steps - recentFrom);
  }
  const log = (value: number, over: number): number => Math.log(Math.max(value, 1e-3 * over) / over);
  const scales = LEADS.map((_, i) => log(batch.scales[row * LEADS.length + i]!, scale));
  const change = window[steps - 1]! - window[steps - 2]!;
  const asinhOf = (value: number): number => Math.asinh(value / scale);
  const newest = [4, 16, 64].map((count) => asinhOf(meanOfNewest(window, steps, count)));
  const medians = [16, 128].map((count) => asinhOf(medianOfNewest(window, steps, count)));
  const traits = [
    ...scales, ...newest, ...medians, log(move, scale), log(recentMove, Math.max(move, 1e-3 * scale)), log(recentSpread, scale),
    asinhOf(highest), asinhOf(-lowest), asinhOf(mean), (still / steps) * 2, Math.log(largestMove / move) / 2,
    moveSquare > 0 ? moveProduct / moveSquare : 0, spreadSquare > 0 ? spreadProduct / spreadSquare : 0,
    strength, log(size, scale), period === 0 ? 0 : Math.log2(period) / 6, 2 - (2 * steps) / WINDOW_STEPS,
    Math.asinh(change / move), Math.log(Math.sqrt(spreadSquare / steps) / scale), asinhOf(mean - medianOfNewest(window, steps, WINDOW_STEPS)),
  ];
  batch.traits.set(traits.map((trait) => Math.max(-8, Math.min(8, trait))), row * TRAITS);
}
