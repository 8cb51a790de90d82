import { describe, expect, it } from '@jest/globals';
import { stripVTControlCharacters } from 'node:util';
import type { DecisionId, DeviceId, MigrationId, ThreadId } from '@godwit/kernel';
import type { DeviceSpec } from '@godwit/registry';
import type { ForecastMessage, MigrationStatus, SampleBatch } from '@godwit/wire';
import { beginning, fold, KEPT, type LiveEvent, type LiveState } from './live-state.js';
import { bar, renderChanges, renderScreen } from './render.js';

const device = (id: string, cpuCores: number, rack: string): DeviceSpec => ({
  device: id as DeviceId, kind: 'cpu', cpuCores, memoryBytes: 2 ** 31, place: { pop: 'local', rack, subnet: 's' }, pricePerHour: cpuCores / 10, idleWatts: 1, busyWatts: 2, numaNodes: 1, runtimes: ['wasm'], labels: {},
});
const fresh = beginning({ title: 'policy predictive', nowMs: 1_000_000, devices: [device('d-small', 0.3, 'r1'), device('d-large', 0.5, 'r2')], notes: ['API http://127.0.0.1:1'] });
const after = (events: readonly LiveEvent[], from: LiveState = fresh): LiveState => events.reduce(fold, from);
const samples = (of: string, columns: readonly [string, string, readonly number[]][]): LiveEvent => ({
  type: 'samples', batch: { device: of as DeviceId, sequence: 1, atMs: columns[0]![2].map((_, i) => 1_000_000 + i * 100), columns: columns.map(([thread, metric, values]) => ({ thread, metric, values })), absences: [] } satisfies SampleBatch,
});
const forecast = (id: string, demandNow: number, p90: number): LiveEvent => ({
  type: 'forecast', of: 'device', forecast: {
    id, resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 1_000_000, stepMs: 1_000, levels: [0.1, 0.5, 0.9], values: [0.1, 0.2, 0.25, 0.1, 0.3, p90], demandNow, capacity: 0.3, riskRatio: 0.62, overloadInMs: 7_000,
    models: [{ model: 'damped-trend', weightRatio: 1, pinballLoss: 0.01 }], observations: 20,
  } satisfies ForecastMessage,
});
const status = (phase: MigrationStatus['phase'], atMs: number, more: Partial<MigrationStatus> = {}): LiveEvent => ({
  type: 'migration', status: { migration: 'm-1' as MigrationId, thread: 'network' as ThreadId, source: 'd-small' as DeviceId, target: 'd-large' as DeviceId, phase, epoch: 1, cause: 'c', atMs, plannedAtMs: 1_002_000, ...more },
});
const decided: LiveEvent = {
  type: 'decision', record: { decision: {
    decision: 'd-1' as DecisionId, thread: 'network' as ThreadId, atMs: 1_001_500, action: 'migrate', trigger: 'predicted-exhaustion', source: 'd-small' as DeviceId, target: 'd-large' as DeviceId,
    reason: 'd-small needs 0.38 of 0.30 cores in 7 s', expectedGainCoreSeconds: 1, costCoreSeconds: 0.1, risk: 0.6, candidates: [],
  } },
};
const running: readonly LiveEvent[] = [
  { type: 'owner', thread: 'network' as ThreadId, device: 'd-small' as DeviceId, epoch: 1 },
  samples('d-small', [['', 'cpu.cores', [0.1, 0.2, NaN]], ['network', 'cpu.cores', [0.1, 0.3, NaN]], ['network', 'input.backlog_records', [9, NaN, 12]], ['network', 'latency.ms_p99', [NaN, 120, NaN]], ['network', 'latency.ms_p50', [NaN, 30, NaN]], ['network', 'memory.bytes', [1_048_576, NaN, NaN]]]),
  forecast('d-small', 0.2, 0.42),
];
const options = { columns: 140, rows: 50, colours: false };

describe('the live state', () => {
  it('takes the mean of rates, the newest of levels, and skips what was not read', () => {
    const { threads, devices } = after(running);
    expect(threads.get('network')).toMatchObject({ device: 'd-small', epoch: 1, cpuCores: 0.2, backlogRecords: 12, latencyMsP99: 120, stateBytes: 1_048_576 });
    expect(devices.get('d-small')).toMatchObject({ usedCores: expect.closeTo(0.15), forecast: { demandNowCores: 0.2, peakP50Cores: 0.3, peakP90Cores: 0.42, horizonMs: 2_000, riskRatio: 0.62, model: 'damped-trend' } });
  });
  it('does not let a former owner speak for a thread that has moved', () => {
    const moved = after([...running, { type: 'owner', thread: 'network' as ThreadId, device: 'd-large' as DeviceId, epoch: 2 }, samples('d-small', [['network', 'cpu.cores', [0.9]]])]);
    expect(moved.threads.get('network')).toMatchObject({ device: 'd-large', epoch: 2, cpuCores: 0.2 });
  });
  it('adds each phase once, and the outcome beside it', () => {
    const { migrations } = after([status('planned', 1_002_000), status('frozen', 1_002_400), status('frozen', 1_002_900), status('retired', 1_003_000, { outcome: 'committed', freezeMs: 61, sizeBytes: 2_048 })]);
    expect(migrations).toHaveLength(1);
    expect(migrations[0]).toMatchObject({ outcome: 'committed', freezeMs: 61, phases: [{ phase: 'planned' }, { phase: 'frozen', atMs: 1_002_400 }, { phase: 'retired' }] });
  });
  it('puts the settlement beside its decision, and stays bounded', () => {
    const settled = after([decided, decided, { type: 'decision', record: { settlement: { decision: 'd-1' as DecisionId, thread: 'network' as ThreadId, settledAtMs: 1, expectedGainCoreSeconds: 1, realisedGainCoreSeconds: 0.8, verdict: 'helped', note: '' } } }]);
    expect(settled.decisions).toEqual([expect.objectContaining({ settled: 'helped: 0.80 core-seconds gained, 1.00 expected' })]);
    const many = Array.from({ length: KEPT + 20 }, (_, i): LiveEvent => ({ type: 'decision', record: { decision: { ...(decided as Extract<LiveEvent, { type: 'decision' }>).record.decision!, decision: `d-${i}` as DecisionId } } }));
    expect(after(many).decisions).toHaveLength(KEPT);
  });
});

describe('the bar', () => {
  it('shows demand, what is forecast beyond it, and the capacity at two thirds of its length', () => {
    expect(bar(0.15, 0.3, 0.3)).toBe('██████████▒▒▒▒▒▒▒▒▒▒│··········');
    expect(bar(0.45, 0.1, 0.3)).toBe('████████████████████│██████████');
    expect(bar(0, 0, 0.3)).toBe('····················│··········');
  });
  it('does not grow when demand is far beyond the capacity', () => {
    expect(bar(9, 99, 0.3)).toHaveLength(31);
  });
});

describe('the screen', () => {
  const state = after([...running, decided, status('planned', 1_002_000), status('frozen', 1_002_400), { type: 'day', day: 2, ratio: 0.5, flightsSent: 700 }, { type: 'tick', nowMs: 1_003_000 }]);
  it('shows devices, threads, the decision with its reason and the migration with its phases', () => {
    const text = renderScreen(state, options).join('\n');
    expect(text).toContain('12:00 of day 2   700 flights in');
    expect(text).toMatch(/d-small .*0\.20 → 0\.42 of 0\.30 risk 62%, full in 7 s\s+r1 0\.03 \$\/h {2}network/);
    expect(text).toMatch(/network {3}d-small {7}1 {3}0\.20 {6}12 +30\.0 ms \/ 120 ms {4}1\.0 MiB → d-large frozen/);
    expect(text).toContain('1.5 s  migrate network d-small → d-large (predicted-exhaustion): d-small needs 0.38 of 0.30 cores in 7 s');
    expect(text).toContain('planned +0  frozen +400');
    expect(text).toContain('API http://127.0.0.1:1');
  });
  it('shows freeze, bytes, digest and outcome when it is over', () => {
    const done = after([status('retired', 1_003_000, { outcome: 'committed', freezeMs: 61, sizeBytes: 1_100_000, digestSha256: 'c0ffee'.padEnd(64, '0') as never })], state);
    expect(renderScreen(done, options).join('\n')).toContain('network: d-small → d-large  committed · freeze 61.0 ms · 1.0 MiB · digest c0ffee000000…');
  });
  it('begins each row of a long reason below the reason', () => {
    const lines = renderScreen(state, { ...options, columns: 80 });
    const first = lines.findIndex((line) => line.includes('1.5 s  migrate network'));
    expect(lines[first + 1]).toMatch(/^ {10}\S/);
  });
  it('uses colours only where it is told to, and they take no place', () => {
    const plain = renderScreen(state, options);
    expect(plain.join('')).not.toContain('\x1b');
    expect(renderScreen(state, { ...options, colours: true }).map((line) => stripVTControlCharacters(line))).toEqual(plain);
  });
  it('never passes the size of the terminal, and keeps the notes', () => {
    for (const rows of [10, 14, 24]) {
      const lines = renderScreen(state, { columns: 70, rows, colours: false });
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(lines.at(-1)).toContain('API');
      for (const line of lines) expect([...line].length).toBeLessThanOrEqual(70);
    }
  });
});

describe('one line per change', () => {
  it('tells each thing once, with the seconds since the start', () => {
    const begun = after([...running, { type: 'tick', nowMs: 1_001_000 }]);
    expect(renderChanges(fresh, begun)).toContain('[   1.0 s] network runs on d-small, epoch 1');
    const moving = after([decided, status('planned', 1_002_000), status('frozen', 1_002_400)], begun);
    expect(renderChanges(begun, moving)).toEqual([
      '[   1.5 s] decision: migrate network d-small → d-large (predicted-exhaustion): d-small needs 0.38 of 0.30 cores in 7 s',
      '[   2.0 s] migration of network to d-large: planned', '[   2.4 s] migration of network to d-large: frozen',
    ]);
    expect(renderChanges(moving, moving)).toEqual([]);
  });
  it('gives the state of the devices each hour of the day', () => {
    const noon = after([{ type: 'day', day: 1, ratio: 0.51, flightsSent: 1 }], after(running));
    expect(renderChanges(after(running), noon)).toEqual([expect.stringContaining('12:14 of the day; demand → forecast / capacity: d-small 0.20→0.42/0.30')]);
  });
});
