/** What nvidia-smi says, line by line. Every field may be missing (`[N/A]`, `[Not Supported]`, `[Unknown Error]`, `ERR!`), and every line may be no line of values at all. */

/** The fields that are asked for, in this order. One that a driver does not know is left out of the next question. */
export const GPU_FIELDS = [
  'index', 'utilization.gpu', 'memory.used', 'memory.total', 'power.draw', 'power.limit', 'temperature.gpu',
  'clocks_throttle_reasons.active', 'ecc.errors.uncorrected.volatile.total',
] as const;
export type GpuField = (typeof GPU_FIELDS)[number];

export interface GpuLine {
  readonly index: number;
  /** By metric name after `gpu.<n>.`; what the GPU does not tell is absent. */
  readonly values: Readonly<Record<string, number>>;
  /** Uncorrected ECC errors since the driver was loaded; undefined where the GPU does not count them. */
  readonly uncorrectedErrors: number | undefined;
}

const BYTES_PER_MIB = 1_048_576;
const MOST_GPUS = 256;
/** Bits of the throttle reasons: software and hardware slowdown for temperature (NVML, nvmlClocksThrottleReason…). */
const THERMAL_BITS = 0x20 | 0x40;

interface Reader {
  readonly metric: string;
  readonly most: number;
  readonly scale: number;
}
const READERS: Partial<Record<GpuField, Reader>> = {
  'utilization.gpu': { metric: 'utilisation_ratio', most: 100, scale: 0.01 },
  'memory.used': { metric: 'memory_bytes', most: 2 ** 33, scale: BYTES_PER_MIB },
  'memory.total': { metric: 'memory_capacity_bytes', most: 2 ** 33, scale: BYTES_PER_MIB },
  'power.draw': { metric: 'power_watts', most: 10_000, scale: 1 },
  'power.limit': { metric: 'power_limit_watts', most: 10_000, scale: 1 },
  'temperature.gpu': { metric: 'temperature_celsius', most: 200, scale: 1 },
};

/** The values of one GPU, or undefined where the line holds none: a message, a cut-off line, another number of fields. */
export function parseGpuLine(line: string, fields: readonly GpuField[]): GpuLine | undefined {
  const cells = line.split(',').map((cell) => cell.trim());
  if (cells.length !== fields.length) return undefined;
  const of = (field: GpuField): string => cells[fields.indexOf(field)] ?? '';
  if (!/^\d{1,3}$/.test(of('index')) || Number(of('index')) >= MOST_GPUS) return undefined;
  const values: Record<string, number> = {};
  for (const [field, { metric, most, scale }] of Object.entries(READERS) as [GpuField, Reader][]) {
    const value = numberIn(of(field));
    if (value !== undefined && value <= most) values[metric] = value * scale;
  }
  const reasons = /^0x[0-9a-f]{1,16}$/i.test(of('clocks_throttle_reasons.active')) ? Number(of('clocks_throttle_reasons.active')) : undefined;
  if (reasons !== undefined) values['thermal_throttled_ratio'] = (Number(BigInt(reasons) & BigInt(THERMAL_BITS))) === 0 ? 0 : 1;
  return { index: Number(of('index')), values, uncorrectedErrors: numberIn(of('ecc.errors.uncorrected.volatile.total')) };
}

/** A non-negative decimal number; units that an old driver adds all the same are passed over. */
function numberIn(cell: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(?: (?:%|MiB|W|C))?$/.exec(cell);
  return match === null ? undefined : Number(match[1]);
}

/** The field that this line refuses, such as `Field "power.limit" is not a valid field to query.` */
export const refusedField = (line: string): string | undefined => /^Field "([^"]+)" is not a valid field/.exec(line)?.[1];
