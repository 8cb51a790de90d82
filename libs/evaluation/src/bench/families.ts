/**
 * The trace families of the bench: series of one kind from one source. A family is told by its files' names here and nowhere
 * else: models see values, never names. Left out are files without a series per entity (call graphs, spans, placements, single
 * requests).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isRefusal, type Rng } from '@godwit/kernel';
import { ar1, ramp, randomWalk, season } from './generated.js';
import { readCsv } from '@godwit/series-source';
import { usualStepMs, onGrid, type GridSeries } from '../index.js';

export interface Family {
  readonly name: string;
  readonly series: readonly GridSeries[];
  /** Nothing can be predicted: abstaining is the goal. */
  readonly walk: boolean;
}

const FILES: Readonly<Record<string, readonly string[]>> = {
  planetlab: ['planetlab_20110303', 'planetlab_20110309', 'planetlab_20110325', 'planetlab_20110409', 'planetlab_20110412'],
  bitbrains: ['bitbrains_rnd_201308'],
  google2011: ['google2011_vms'],
  google2019: ['google2019_cell'],
  alibaba2018: ['alibaba2018_machines'],
  'alibaba2018-dc': ['alibaba2018_dc_10s'],
  cloudpool: ['cloudpool_cpu_30s'],
  'cloudpool-aug': ['cloudpool_cpu_mem_30s_aug'],
  smd: ['smd_machines'],
  nab: ['nab_cloudwatch'],
  'exathlon-nodes': ['exathlon_nodes_1s'],
  'exathlon-spark': ['exathlon_spark_1s'],
  sockshop: ['sockshop_services_1s'],
  'gpu-h100': ['gpu_h100x8_10hz'],
  'cpu-thermal': ['cpu_thermal_1s'],
  'genai-pods': ['alibaba_genai_pods'],
  biohpc: ['biohpc_gpu_hourly'],
  'harvard-ipmi': ['harvard_ipmi_60s'],
  nezha: ['nezha_pods_60s'],
  petshop: ['petshop_services_300s'],
  socialnet: ['socialnet_pods_10s'],
};
/** Labels of the sources, not measurements. */
const LABELS = new Set(['anomaly']);

/** The families whose files lie in the folder and whose name holds one of `wanted` (all for none). @throws Error for a damaged file. */
export async function readFamilies(folder: string, wanted: readonly string[]): Promise<Family[]> {
  const families: Family[] = [];
  for (const [name, files] of Object.entries(FILES)) {
    if (!isWanted(name, wanted)) continue;
    const paths = files.map((file) => join(folder, `${file}.csv.gz`)).filter((path) => existsSync(path));
    const series = (await Promise.all(paths.map(readGrids))).flat();
    if (series.length > 0) families.push({ name, series, walk: false });
  }
  return families;
}

/** Recordings of this machine that earlier runs of the bench left; each recording is an entity. */
export async function readMachine(paths: readonly string[], wanted: readonly string[]): Promise<Family[]> {
  if (!isWanted('this machine', wanted)) return [];
  const series = (await Promise.all(paths.map(readGrids))).flat();
  return series.length === 0 ? [] : [{ name: 'this machine', series, walk: false }];
}

export const isWanted = (name: string, wanted: readonly string[]): boolean => wanted.length === 0 || wanted.some((part) => name.includes(part));

async function readGrids(path: string): Promise<GridSeries[]> {
  const recorded = await readCsv(path, {});
  if (isRefusal(recorded)) throw new Error(recorded.reason);
  const prefix = path.slice(path.lastIndexOf('/') + 1).replace(/\.csv(\.gz)?$/, '');
  return recorded.filter(({ column }) => !LABELS.has(column)).flatMap((one) => {
    const grid = onGrid(one, usualStepMs(one));
    // The same machine of another day is not a machine never seen.
    return isRefusal(grid) ? [] : [{ ...grid, entity: prefix.startsWith('planetlab') ? one.entity : `${prefix}:${one.entity}` }];
  });
}

const STEPS = 1_500;
const GENERATED: Readonly<Record<string, (rng: Rng) => number[]>> = {
  'random walk': (rng) => randomWalk(rng, STEPS, 500),
  'season of 60': (rng) => season(rng, STEPS, { period: 60, amplitude: 5, deviation: 1 }),
  'AR(1) 0.8': (rng) => ar1(rng, STEPS, 0.8),
  'ramp and level': (rng) => ramp(rng, STEPS, 200),
};

/** Families made here from a seed, so that the bench says something where there are no traces. */
export function generateFamilies(rng: Rng, wanted: readonly string[]): Family[] {
  return Object.entries(GENERATED).filter(([name]) => isWanted(name, wanted)).map(([name, make]) => ({
    name, walk: name === 'random walk',
    series: Array.from({ length: 16 }, (_, i) => ({ entity: `${name} ${i}`, column: '', startMs: 0, stepMs: 1_000, values: Float64Array.from(make(rng)) })),
  }));
}

