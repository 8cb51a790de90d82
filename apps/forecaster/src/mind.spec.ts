/** Phases, performance, failure, further resources: what a forecast says beside demand, from samples and traces alone. */
import { deviceId, isRefusal, threadId } from '@godwit/kernel';
import { decodeSamples, decodeTraces, forecastCodec, historyCodec, SUBJECTS, traceBatchCodec, encodeForecast, DEMAND_METRIC, type ForecastMessage, type History } from '@godwit/wire';
import { createLog } from '@godwit/shell';
import { Forecaster, type Kind } from './forecaster.js';
import { batchBytes, HandClock, type Readings } from './rig.fixture.js';

const D1 = deviceId('d1');
const T1 = threadId('t1');

class Rig {
  readonly clock = new HandClock();
  readonly forecasts = new Map<string, ForecastMessage>();
  readonly history: { kind: Kind; history: History }[] = [];
  readonly forecaster: Forecaster;
  constructor(horizonMs = 30_000) {
    this.forecaster = new Forecaster({
      clock: this.clock, log: createLog('spec', 'silent'),
      publishForecast: (_, forecast) => {
        const sent = forecastCodec.decode(encodeForecast(forecast));
        if (isRefusal(sent)) throw new Error(sent.reason);
        this.forecasts.set(`${sent.id} ${sent.resource}`, sent);
      },
      publishHistory: (kind, history) => this.history.push({ kind, history: historyCodec.decode(historyCodec.encode(history)) as History }),
    }, { horizonMs });
  }
  /** One second: traces, samples, a round. */
  second(readings: Readings, sites?: Readonly<Record<string, number>>): void {
    this.clock.atMs += 1_000;
    if (sites) {
      const counters = Object.entries(sites).map(([name, count]) => ({ name, count }));
      const threads = counters.length === 0 ? [] : [{ thread: T1, counters }];
      this.forecaster.takeTraces(SUBJECTS.trace(D1), traceBatchCodec.encode({ device: D1, atMs: this.clock.atMs - 500, spanMs: 1_000, threads, edges: [] }));
    }
    this.forecaster.takeSamples(SUBJECTS.metrics(D1), batchBytes('d1', [this.clock.atMs - 900, this.clock.atMs - 400], readings));
    for (const _ of this.forecaster.round());
  }
  of(id: string, resource = DEMAND_METRIC): ForecastMessage | undefined {
    return this.forecasts.get(`${id} ${resource}`);
  }
}

const device = { 'cpu.capacity_cores': 2, 'cpu.cores': 0.5 };
const busy = (second: number): boolean => Math.floor(second / 12) % 2 === 1;
const readingsAt = (second: number): Readings => ({ '': device, t1: { 'cpu.cores': busy(second) ? 0.8 : 0.1 } });
const sitesAt = (second: number): Record<string, number> => (busy(second) ? { 'loop:solve/4': 40_000 + (second % 7), 'wasi:fd_write': 10 } : { 'loop:wait/1': 200 });

describe('behaviour in a forecast', () => {
  it('says which phase a thread is in and what comes when, weighs in the demand forecast, and is learnt again by a successor from the history', () => {
    const rig = new Rig();
    for (let s = 0; s < 149; s++) rig.second(readingsAt(s), sitesAt(s));
    const { phase, models, values, levels } = rig.of('t1')!;
    expect(phase).toMatchObject({ label: 'loop:wait/1', count: 2, probabilityRatio: expect.closeTo(1, 1), next: { label: 'loop:solve/4', probabilityRatio: expect.closeTo(1, 1) } });
    expect(phase!.next!.inMsP50).toBeGreaterThanOrEqual(4_000);
    expect(phase!.next!.inMsP50).toBeLessThanOrEqual(12_000);
    expect(models.find(({ model }) => model === 'behaviour')?.weightRatio).toBeGreaterThan(0.05);
    const median = (step: number): number => values[step * levels.length + levels.indexOf(0.5)]!;
    expect(median(1)).toBeLessThan(0.4);
    expect(median(13)).toBeGreaterThan(0.5);

    rig.forecaster.flush();
    const next = new Rig();
    next.clock.atMs = rig.clock.atMs;
    for (const { kind, history } of rig.history) next.forecaster.replay(kind, history);
    next.second(readingsAt(149), sitesAt(149));
    next.second(readingsAt(150), sitesAt(150));
    expect(next.of('t1')!.phase).toMatchObject({ label: 'loop:wait/1', count: 2, next: { label: 'loop:solve/4' } });
    expect(next.of('t1')!.observations).toBeGreaterThan(120);
  }, 180_000);

  it('leaves threads alone whose runtime tells nothing, and takes a missing thread of a traced device for idle', () => {
    const rig = new Rig();
    for (let s = 0; s < 20; s++) rig.second(readingsAt(s));
    expect(rig.of('t1')).not.toHaveProperty('phase');
    for (let s = 0; s < 60; s++) rig.second(readingsAt(s), Math.floor(s / 10) % 2 === 0 ? { 'loop:a': 1_000 } : {});
    expect(rig.of('t1')!.phase).toMatchObject({ count: 2 });
  });

  it('refuses traces that are none, or of another device, and counts them', () => {
    const rig = new Rig();
    rig.second(readingsAt(0));
    rig.forecaster.takeTraces(SUBJECTS.trace(D1), Uint8Array.of(255, 0));
    rig.forecaster.takeTraces(SUBJECTS.trace('*'), traceBatchCodec.encode({ device: D1, atMs: 1, spanMs: 1, threads: [], edges: [] }));
    expect(rig.forecaster.malformed.count).toBe(2);
    expect([isRefusal(decodeSamples(Uint8Array.of(255))), isRefusal(decodeTraces(Uint8Array.of(255)))]).toEqual([true, true]);
  });
});

describe('other resources of a device', () => {
  it('are forecast like any other, each against its own capacity', () => {
    const rig = new Rig();
    for (let s = 0; s < 40; s++) {
      rig.second({ '': { ...device, 'memory.bytes': 1e9 + s * 1e7, 'memory.capacity_bytes': 1.6e9, 'gpu.0.utilisation_ratio': 0.5, 'gpu.0.power_watts': 100, 'gpu.0.power_limit_watts': 300, 'gpu.1.temperature_celsius': 60 } });
    }
    expect(rig.of('d1', 'memory.bytes')).toMatchObject({ unit: 'bytes', capacity: 1.6e9, riskRatio: expect.any(Number) });
    expect(rig.of('d1', 'memory.bytes')!.riskRatio!).toBeGreaterThan(0.5);
    expect(rig.of('d1', 'gpu.0.utilisation_ratio')).toMatchObject({ unit: 'ratio', capacity: 1, demandNow: 0.5 });
    expect(rig.of('d1', 'gpu.0.power_watts')).toMatchObject({ capacity: 300 });
    expect(rig.of('d1', 'gpu.1.temperature_celsius')).not.toHaveProperty('capacity');
    expect(rig.of('d1', 'cpu.cores')).toBeUndefined();
    expect(rig.of('d1')).toMatchObject({ resource: DEMAND_METRIC, capacity: 2 });
  });

  it('go when they are no longer read', () => {
    const rig = new Rig();
    for (let s = 0; s < 5; s++) rig.second({ '': { ...device, 'gpu.0.utilisation_ratio': 0.5 } });
    for (let s = 0; s < 40; s++) rig.second({ '': device });
    rig.forecasts.clear();
    rig.second({ '': device });
    expect([...rig.forecasts.keys()]).toEqual([`d1 ${DEMAND_METRIC}`]);
  });
});

describe('a failure in sight', () => {
  it('shows in the forecast of the device, with its cause, and the learnt threshold beside it', () => {
    const rig = new Rig(60_000);
    for (let s = 0; s < 90; s++) rig.second({ '': { ...device, 'temperature.margin_celsius': 35 - 0.3 * s } });
    expect(rig.of('d1')!.failureRatio!).toBeGreaterThan(0.5);
    expect(rig.of('d1')!.failureCauses![0]).toMatchObject({ cause: 'temperature', detail: expect.stringContaining('critical in') });
    expect(rig.of('d1')!.riskThresholdRatio).toBeCloseTo(0.3, 5);
  });
  it('does not, where all is well', () => {
    const rig = new Rig();
    for (let s = 0; s < 20; s++) rig.second({ '': device });
    expect(rig.of('d1')!.failureRatio).toBe(0);
    expect(rig.of('d1')).not.toHaveProperty('failureCauses');
  });
});

describe('performance in a forecast', () => {
  it('is told for the thread’s own device from its history, and for others as of their kind', () => {
    const rig = new Rig();
    for (let s = 0; s < 60; s++) {
      rig.forecaster.takeSamples(SUBJECTS.metrics(deviceId('d2')), batchBytes('d2', [rig.clock.atMs + 100], { '': { 'cpu.capacity_cores': 4, 'cpu.cores': 2 } }));
      rig.second({ '': { 'cpu.capacity_cores': 2, 'cpu.cores': 1 }, t1: { 'cpu.cores': 0.5, 'input.consumed_per_second': 100, 'latency.ms_p50': 4, 'latency.ms_p99': 10 } });
    }
    const performance = rig.of('t1')!.performance!;
    expect(performance[0]).toMatchObject({ device: 'd1', basis: 'device', utilisationRatio: 0.5, latencyMsP50: expect.closeTo(4, 0), latencyMsP99: expect.closeTo(10, 0), throughputPerSecond: expect.closeTo(200, -1) });
    expect(performance[1]).toMatchObject({ device: 'd2', basis: 'kind' });
  });
});
