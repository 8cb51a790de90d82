/**
 * What one sample of a device costs, in microseconds of this process's time, with 3 and with 200 processes in scope:
 * our collectors against a naive twin in the same run (readFileSync, split, Number), which reads the same files.
 * The naive twin comes twice: as usually written (it finds the children by listing /proc at each sample), and with the
 * pids given (no search at all), so that what the files cost can be told from what the search costs.
 * Left out: PSS (read by ours at low rate; its cost is printed by itself), and what the samples cost the kernel elsewhere.
 * The processes sleep: a sample reads as much of one that works.
 * Run: npm run bench -w @godwit/proc
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { openDeviceCollectors, type DeviceCollectors } from '@godwit/proc';
import { isRefusal } from '@godwit/kernel';

const SCOPES = [3, 200];
const ROUNDS = 7;
const ROUND_MS = 120;
const WARM_UP_MS = 300;

const text = (path: string): string => readFileSync(path, 'utf8');

function naiveFamily(root: number): number[] {
  const parents = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      return [[Number(name), Number(text(`/proc/${name}/stat`).split(') ')[1]?.split(' ')[1])] as const];
    } catch {
      return []; // ended between listing and reading
    }
  });
  const family = new Set([root]);
  for (let before = 0; before !== family.size;) {
    before = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

function naiveSample(pids: readonly number[]): Record<string, number> {
  let ticks = 0;
  let cpuNs = 0;
  let pages = 0;
  let readBytes = 0;
  let writtenBytes = 0;
  for (const pid of pids) {
    const stat = text(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
    ticks += Number(stat[11]) + Number(stat[12]) + Number(stat[13]) + Number(stat[14]);
    for (const tid of readdirSync(`/proc/${pid}/task`)) cpuNs += Number(text(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0]);
    const statm = text(`/proc/${pid}/statm`).split(' ');
    pages += Number(statm[1]) - Number(statm[2]);
    const io = Object.fromEntries(text(`/proc/${pid}/io`).trim().split('\n').map((line) => line.split(': ')));
    readBytes += Number(io['read_bytes']);
    writtenBytes += Number(io['write_bytes']);
  }
  return { ticks, cpuNs, pages, readBytes, writtenBytes };
}

function microsecondsOf(sample: () => void, limitMs: number): number {
  let samples = 0;
  const startMs = performance.now();
  const before = process.cpuUsage();
  while (performance.now() - startMs < limitMs) {
    sample();
    samples += 1;
  }
  const used = process.cpuUsage(before);
  return (used.user + used.system) / samples;
}

const median = (values: number[]): number => values.sort((left, right) => left - right)[values.length >> 1] ?? Number.NaN;

/** Alternates the contestants, so that a busy moment of the machine hits all of them. */
function compare(contestants: Record<string, () => void>): Record<string, number> {
  const times = new Map(Object.keys(contestants).map((name) => [name, [] as number[]]));
  for (const sample of Object.values(contestants)) microsecondsOf(sample, WARM_UP_MS);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, sample] of Object.entries(contestants)) times.get(name)?.push(microsecondsOf(sample, ROUND_MS));
  }
  return Object.fromEntries([...times].map(([name, values]) => [name, median(values)]));
}

function open(options: Parameters<typeof openDeviceCollectors>[0]): DeviceCollectors {
  const device = openDeviceCollectors(options);
  if (isRefusal(device)) throw new Error(device.reason);
  return device;
}

function print(title: string, times: Record<string, number>): void {
  const ours = times['ours'] ?? Number.NaN;
  console.log(title);
  for (const [name, microseconds] of Object.entries(times)) {
    console.log(`  ${name.padEnd(24)} ${microseconds.toFixed(1).padStart(9)} µs/sample   x ${(microseconds / ours).toFixed(1)}`);
  }
}

/** One shell that holds `count - 1` sleeping children. */
async function startFamily(count: number): Promise<ChildProcess> {
  const script = `i=1; while [ $i -lt ${count} ]; do sleep 600 & i=$((i+1)); done; echo ready; wait`;
  const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  await new Promise((resolve) => shell.stdout?.once('data', resolve));
  return shell;
}

async function benchScope(count: number): Promise<void> {
  const shell = await startFamily(count);
  const root = shell.pid as number;
  const device = open({ scope: 'processes', pids: [root] });
  const into: Record<string, number> = {};
  // Until every process has had its proportional set size taken, which is not part of the comparison.
  for (let seconds = 0; seconds < count; seconds += 1) device.collect(seconds, into);
  const family = naiveFamily(root);
  if (family.length !== count) throw new Error(`${family.length} processes in scope, not ${count}`);
  let nowMs = count;
  try {
    print(`scope of ${count} processes: CPU, memory, disk`, compare({
      // The clock advances by a microsecond, so that the ten-second PSS round is never due within the comparison.
      ours: () => device.collect((nowMs += 0.001), into),
      'naive, pids given': () => { naiveSample(family); },
      'naive, lists /proc': () => { naiveSample(naiveFamily(root)); },
    }));
  } finally {
    device.close();
    process.kill(-root, 'SIGKILL');
  }
}

function benchHost(): void {
  const device = open({ scope: 'host' });
  const into: Record<string, number> = {};
  const rows = (path: string): string[][] => text(path).split('\n').map((line) => line.trim().split(/\s+/));
  print('host: CPU, memory, disk, network, pressure', compare({
    ours: () => device.collect(performance.now(), into),
    naive: () => {
      for (const file of ['stat', 'meminfo', 'diskstats', 'net/dev', 'pressure/cpu', 'pressure/memory', 'pressure/io']) {
        rows(`/proc/${file}`).map((fields) => fields.map(Number));
      }
    },
  }));
  device.close();
}

console.log(`node ${process.version}, ${process.arch}`);
benchHost();
for (const count of SCOPES) await benchScope(count);
console.log(`PSS of this process alone: ${microsecondsOf(() => { text('/proc/self/smaps_rollup'); }, ROUND_MS).toFixed(0)} µs`);
