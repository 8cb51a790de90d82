/** The contract suite: every collector, in both scopes, on a recorded machine, on the real one, on nothing, and on damaged files. */
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isRefusal } from '@godwit/kernel';
import { DEVICE_METRICS, type Collector } from '@godwit/telemetry';
import { Tree } from '../spec-kit/tree.js';
import { COLLECTORS, openDeviceCollectors, type CollectorEntry, type DeviceCollectors, type DeviceCollectorsOptions, type Scope } from './index.js';

const SCOPES: readonly Scope[] = ['host', 'processes'];

function open(options: DeviceCollectorsOptions): DeviceCollectors {
  const collectors = openDeviceCollectors(options);
  if (isRefusal(collectors)) throw new Error(collectors.reason);
  return collectors;
}

const onTree = (tree: Tree, scope: Scope): DeviceCollectors =>
  open({ scope, procRoot: tree.procRoot, sysRoot: tree.sysRoot, ...(scope === 'processes' ? { pids: tree.pids.slice(0, 1) } : {}) });

/** `cpu.cores.3` belongs to `cpu.cores.<n>`. */
const matches = (metric: string, pattern: string): boolean => metric === pattern || metric.replace(/\.\d+$/, '.<n>') === pattern;
const isRate = (metric: string): boolean => /^(?:cpu\.cores|disk\.|network\.|power\.|cpu\.throttled)/.test(metric);

function collect(collector: Collector, monotonicMs: number): Record<string, number> {
  const into: Record<string, number> = {};
  collector.collect(monotonicMs, into);
  return into;
}

/** Each metric is either read or absent with a reason; names are of the list; numbers are finite. */
function expectSound(entry: CollectorEntry, collector: Collector, reading: Record<string, number>): void {
  const absent = new Map(collector.absences().map(({ metric, reason }) => [metric, reason]));
  for (const metric of entry.metrics) {
    const read = Object.keys(reading).some((name) => matches(name, metric));
    expect({ metric, reason: absent.get(metric), known: read || absent.has(metric), twice: read && absent.has(metric) })
      .toMatchObject({ known: true, twice: false });
  }
  for (const [metric, reason] of absent) {
    expect(entry.metrics).toContain(metric);
    expect(reason.length).toBeGreaterThan(10);
  }
  for (const [metric, value] of Object.entries(reading)) {
    expect(entry.metrics.some((pattern) => matches(metric, pattern))).toBe(true);
    expect(Object.keys(DEVICE_METRICS).some((name) => matches(metric, name))).toBe(true);
    expect({ metric, sound: Number.isFinite(value) && (value >= 0 || metric.endsWith('celsius')) }).toEqual({ metric, sound: true });
  }
}

describe.each(SCOPES)('every collector of scope %s', (scope) => {
  it.each(COLLECTORS.map((entry, index) => ({ name: entry.name, entry, index })))('$name keeps the contract on the recorded machine', ({ entry, index }) => {
    using tree = Tree.recorded();
    const device = onTree(tree, scope);
    const collector = device.collectors[index] as Collector;
    expect(collector.name).toBe(entry.name);
    expect(Object.keys(collect(collector, 1_000)).filter(isRate)).toEqual([]);
    expectSound(entry, collector, collect(collector, 2_000));
    expect(collector.absences()).toBe(collector.absences());
    device.close();
    device.close();
  });

  it('keeps the contract on this machine', () => {
    const device = open(scope === 'host' ? { scope } : { scope, pids: [process.pid] });
    collect(device, performance.now());
    device.collectors.forEach((collector, index) => expectSound(COLLECTORS[index] as CollectorEntry, collector, collect(collector, performance.now() + 1)));
    device.close();
  });

  it('reports every metric as absent on a machine that shows nothing, and none as zero', () => {
    using tree = new Tree();
    const device = open({ scope, procRoot: join(tree.root, 'none'), sysRoot: join(tree.root, 'none'), ...(scope === 'processes' ? { pids: [5] } : {}) });
    collect(device, 1_000);
    expect(collect(device, 2_000)).toEqual({});
    for (const metric of COLLECTORS.flatMap((entry) => entry.metrics)) expect(device.absences().map((absence) => absence.metric)).toContain(metric);
    device.close();
  });

  it('bears files that are cut off anywhere', () => {
    using intact = Tree.recorded();
    const files = listFiles(intact.root);
    fc.assert(fc.property(fc.integer({ min: 0, max: files.length - 1 }), fc.double({ min: 0, max: 1, noNaN: true }), (which, share) => {
      using tree = Tree.recorded();
      const device = onTree(tree, scope);
      collect(device, 1_000);
      const cut = join(tree.root, files[which] as string);
      truncateSync(cut, Math.floor(statSync(cut).size * share));
      for (const value of Object.values(collect(device, 2_000))) expect(value).toBeGreaterThanOrEqual(0);
      device.close();
    }), { numRuns: 40 });
  });
});

const listFiles = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(root, name)).isFile());

describe('openDeviceCollectors', () => {
  it.each([
    [{ scope: 'host', pids: [1] }, 'pids'], [{ scope: 'host', cgroupFolder: '/x' }, 'cgroupFolder'], [{ scope: 'processes', pids: [0] }, 'pids'],
    [{ scope: 'processes', pids: [1.5] }, 'pids'], [{ scope: 'processes', pids: [Number.NaN] }, 'pids'],
  ] satisfies [DeviceCollectorsOptions, string][])('refuses %j', (options, field) => {
    expect(openDeviceCollectors(options)).toMatchObject({ refused: true, code: 'invalid-field', field });
  });

  it('refuses bad pids later too, and keeps the old ones', () => {
    using tree = Tree.recorded();
    const device = onTree(tree, 'processes');
    expect(device.setPids([-3])).toMatchObject({ code: 'invalid-field', field: 'pids' });
    expect(collect(device, 1_000)['memory.bytes']).toBeGreaterThan(0);
    device.close();
  });

  it('says that a file is gone when it vanishes, and reads it again when it is back', () => {
    using tree = Tree.recorded();
    tree.remove('proc/meminfo');
    const device = onTree(tree, 'host');
    expect(collect(device, 0)['memory.bytes']).toBeUndefined();
    expect(device.absences().find(({ metric }) => metric === 'memory.bytes')?.reason).toContain('no such file');
    tree.put('proc/meminfo', 'MemTotal:       100 kB\nMemFree:      1 kB\nMemAvailable:     40 kB\n');
    expect(collect(device, 100)['memory.bytes']).toBeUndefined();
    expect(collect(device, 6_000)['memory.bytes']).toBe(60 * 1024);
    expect(device.absences().map(({ metric }) => metric)).not.toContain('memory.bytes');
    device.close();
  });
});
