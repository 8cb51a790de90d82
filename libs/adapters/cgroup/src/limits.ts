/** The ranges of what can be set, checked before anything is written. */
import { refuse, type Refusal } from '@godwit/kernel';

const LEAST_CORES = 0.001;
const MOST_CORES = 65_536;
const LEAST_MEMORY_BYTES = 1024 * 1024;
const MOST_WEIGHT = 10_000;

const inRange = (value: number, least: number, most: number): boolean => Number.isFinite(value) && value >= least && value <= most;

export function checkCores(cores: number): Refusal | undefined {
  if (inRange(cores, LEAST_CORES, MOST_CORES)) return undefined;
  return refuse('invalid-field', `cores must be a number from ${LEAST_CORES} to ${MOST_CORES}, not ${cores}`, 'cores');
}

export function checkWeight(weight: number): Refusal | undefined {
  if (inRange(weight, 1, MOST_WEIGHT)) return undefined;
  return refuse('invalid-field', `weight must be a number from 1 to ${MOST_WEIGHT}, not ${weight}`, 'weight');
}

export function checkMemoryBytes(memoryBytes: number): Refusal | undefined {
  if (memoryBytes === Number.POSITIVE_INFINITY || inRange(memoryBytes, LEAST_MEMORY_BYTES, Number.MAX_SAFE_INTEGER)) return undefined;
  return refuse('invalid-field', `memoryBytes must be at least ${LEAST_MEMORY_BYTES} or Infinity, not ${memoryBytes}`, 'memoryBytes');
}

const LIST = /^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/;

export function checkList(list: string, field: string): Refusal | undefined {
  return LIST.test(list) ? undefined : refuse('invalid-field', `${field} must be a list such as "0-3,8", not ${JSON.stringify(list)}`, field);
}

const NAME = /^[a-z0-9-]{1,64}$/;

export function checkName(name: string): Refusal | undefined {
  return NAME.test(name) ? undefined : refuse('invalid-field', 'name must match [a-z0-9-]{1,64}', 'name');
}

/** Quota and period of the CPU bandwidth controller, microseconds. */
export interface Quota {
  readonly quotaUs: number;
  readonly periodUs: number;
}

const SHORTEST_PERIOD_US = 10_000;
const USUAL_LONGEST_PERIOD_US = 20_000;
const GOOD_QUOTA_US = 2_000;
const LEAST_QUOTA_US = 1_000;

/**
 * A short period, so that the members are held for milliseconds and not for a noticeable pause: 10 ms, up to 20 ms where
 * the quota would become less than 2 ms, and longer only where the kernel's least quota of 1 ms demands it.
 */
export function quotaOf(cores: number): Quota {
  const periodUs = Math.ceil(Math.max(SHORTEST_PERIOD_US, Math.min(USUAL_LONGEST_PERIOD_US, GOOD_QUOTA_US / cores), LEAST_QUOTA_US / cores));
  return { periodUs, quotaUs: Math.max(LEAST_QUOTA_US, Math.round(periodUs * cores)) };
}
