import { applicationId, deviceId, threadId } from '@godwit/kernel';
import { EMPTY_REGISTRY, type Registry } from '@godwit/registry';
import { createLog } from '@godwit/shell';
import { DEMAND_METRIC, forecastCodec, historyCodec, SUBJECTS, type ForecastMessage, type History } from '@godwit/wire';
import { FORGET_MS, Forecaster, type Kind } from './forecaster.js';
import { batchBytes, HandClock, pass } from './rig.fixture.js';
import type { Share } from './share.js';

const HORIZON_MS = 20_000;
const d1 = { '': { 'cpu.cores': 0.5, 'cpu.capacity_cores': 1 } };

function rig(share?: Share, clock = new HandClock()) {
  const histories: { kind: Kind; history: History }[] = [];
  let told: { kind: Kind; forecast: ForecastMessage }[] = [];
  const forecaster = new Forecaster({
    clock, log: createLog('spec', 'silent'),
    publishForecast: (kind, forecast) => told.push({ kind, forecast }),
    publishHistory: (kind, history) => histories.push({ kind, history }),
  }, { horizonMs: HORIZON_MS, ...(share ? { share } : {}) });
  return {
    clock, forecaster, histories,
    round: () => {
      told = [];
      for (const _ of forecaster.round());
      return { all: told, of: (id: string) => told.find(({ forecast }) => forecast.id === id)?.forecast };
    },
  };
}
const median = ({ levels, values }: ForecastMessage, step: number): number => values[step * levels.length + levels.indexOf(0.5)]!;

describe('the forecaster', () => {
  it('forecasts each thread and each device over the horizon, in messages that the wire takes', () => {
    const { forecaster, clock, round } = rig();
    pass(forecaster, clock, 'd1', 30, { ...d1, t1: { 'cpu.cores': 0.25 } });
    const { all, of } = round();
    expect(all.map(({ kind, forecast }) => [kind, forecast.id])).toEqual([['thread', 't1'], ['device', 'd1']]);
    const thread = of('t1')!;
    expect(forecastCodec.decode(forecastCodec.encode(thread))).toEqual(thread);
    expect(thread).toMatchObject({ resource: DEMAND_METRIC, unit: 'cores', issuedAtMs: clock.nowMs(), stepMs: 1_000, demandNow: 0.25, observations: 29 });
    expect(thread.values.length).toBe(20 * thread.levels.length);
    expect(median(thread, 0)).toBeCloseTo(0.25, 2);
    expect(thread).not.toHaveProperty('capacity');
    expect(of('d1')).toMatchObject({ capacity: 1, demandNow: 0.5 });
    expect(of('d1')!.riskRatio).toBeLessThan(0.05);
    expect(of('d1')).not.toHaveProperty('overloadInMs');
  });

  it('sees the overload that enforced capacity hides: demand, not usage', () => {
    const { forecaster, clock, round } = rig();
    pass(forecaster, clock, 'd1', 30, { '': { 'cpu.cores': 1, 'cpu.capacity_cores': 1 }, t1: { 'cpu.cores': 0.5, 'cpu.throttled_ratio': 0.4 }, t2: { 'cpu.cores': 0.5, 'cpu.throttled_ratio': 0.4 } });
    expect(round().of('d1')).toMatchObject({ riskRatio: expect.closeTo(1, 1), overloadInMs: expect.any(Number) });
    expect(round().of('d1')!.demandNow).toBeCloseTo(0.5 / 0.6 * 2, 5);
  });

  it('follows a thread to another device without learning from its first step there, nor from the old device’s last words', () => {
    const { forecaster, clock, round } = rig();
    pass(forecaster, clock, 'd1', 40, { ...d1, t1: { 'cpu.cores': 0.25 } });
    pass(forecaster, clock, 'd2', 1, { '': { 'cpu.cores': 1 }, t1: { 'cpu.cores': 0.95 } });
    pass(forecaster, clock, 'd2', 2, { '': { 'cpu.cores': 0.25 }, t1: { 'cpu.cores': 0.25 } });
    // A batch of the old device that was held up; it closes a step that lies before those of the new one.
    const held = clock.atMs - 1_900;
    forecaster.takeSamples('godwit.metrics.d1', batchBytes('d1', [held], { ...d1, t1: { 'cpu.cores': 0.9 } }));
    pass(forecaster, clock, 'd2', 5, { '': { 'cpu.cores': 0.25 }, t1: { 'cpu.cores': 0.25 } });
    const forecast = round().of('t1')!;
    expect(forecast.demandNow).toBeCloseTo(0.25, 5);
    expect(Math.max(...forecast.values)).toBeLessThan(0.4);
    // Of 48 steps the newest is open yet, the last one on the old device came too late, and the first on the new one is ignored.
    expect(forecast.observations).toBe(45);
  });

  it('adds what the registry knows of the future: to the device and to the thread', () => {
    const { forecaster, clock, round } = rig();
    const [device, thread] = [deviceId('d1'), threadId('t1')];
    pass(forecaster, clock, 'd1', 40, { ...d1, t1: { 'cpu.cores': 0.25 } });
    const from = clock.atMs + 10_000;
    const registry: Registry = {
      ...EMPTY_REGISTRY,
      reservations: new Map([['r', { reservation: 'r', device, cpuCores: 2, fromMs: from, toMs: from + 60_000, note: '' }], ['past', { reservation: 'past', device, cpuCores: 64, fromMs: 0, toMs: 1, note: '' }]]),
      loadForecasts: new Map([['l', { forecast: 'l', thread, cpuCores: 0.5, fromMs: from, toMs: from + 60_000 }]]),
    };
    forecaster.takeRegistry(registry);
    const { of } = round();
    expect(median(of('t1')!, 8)).toBeCloseTo(0.25, 1);
    expect(median(of('t1')!, 12)).toBeCloseTo(0.75, 1);
    expect(median(of('d1')!, 12)).toBeCloseTo(0.5 + 2 + 0.5, 1);
    expect(of('d1')).toMatchObject({ overloadInMs: 11_000 });
  });

  it('takes the most that a thread can use from the registry', () => {
    const { forecaster, clock, round } = rig();
    const spec = { thread: threadId('t1'), application: applicationId('a'), limits: { cpuCores: 4 } };
    forecaster.takeRegistry({ ...EMPTY_REGISTRY, threads: new Map([[spec.thread, spec as never]]) });
    pass(forecaster, clock, 'd1', 3, { t1: { 'cpu.cores': 1, 'cpu.throttled_ratio': 0.5 } });
    expect(round().of('t1')!.demandNow).toBeCloseTo(2, 5);
  });

  it('forgets what was not seen for long', () => {
    const { forecaster, clock, round } = rig();
    pass(forecaster, clock, 'd1', 5, { ...d1, t1: { 'cpu.cores': 0.25 } });
    pass(forecaster, clock, 'd1', 2, d1);
    expect(round().all.map(({ forecast }) => forecast.id)).toEqual(['t1', 'd1']);
    clock.atMs += FORGET_MS - 1_000;
    pass(forecaster, clock, 'd1', 2, d1);
    expect(round().all.map(({ forecast }) => forecast.id)).toEqual(['d1']);
    clock.atMs += FORGET_MS + 1;
    expect(round().all).toEqual([]);
    expect(forecaster.tracked).toEqual({ device: 0, thread: 0 });
  });

  it('writes history in tens of rows, and a new instance goes on from it with the same forecast', () => {
    const first = rig();
    for (let i = 0; i < 101; i++) pass(first.forecaster, first.clock, 'd1', 1, { ...d1, t1: { 'cpu.cores': 0.2 + 0.1 * Math.sin(i / 5) } });
    expect(first.histories.filter(({ kind }) => kind === 'thread').map(({ history }) => history.atMs.length)).toEqual(Array(10).fill(10));
    const second = rig(undefined, first.clock);
    for (const { kind, history } of first.histories) second.forecaster.replay(kind, historyCodec.decode(historyCodec.encode(history)) as History);
    const strip = (forecast: ForecastMessage | undefined) => ({ ...forecast, capacity: 0, riskRatio: 0 });
    for (const id of ['t1', 'd1']) expect(strip(second.round().of(id))).toEqual(strip(first.round().of(id)));
  });

  it('forecasts its own share only, while a device’s demand still rests on all its threads', () => {
    const ids = ['t1', 't2', 't3', 't4', 'd1'];
    const shares = [0, 1, 2].map((index) => rig({ index, of: 3 }));
    for (const { forecaster, clock } of shares) {
      pass(forecaster, clock, 'd1', 3, { '': { 'cpu.cores': 1, 'cpu.capacity_cores': 1 }, ...Object.fromEntries(['t1', 't2', 't3', 't4'].map((id) => [id, { 'cpu.cores': 0.25, 'cpu.throttled_ratio': 0.5 }])) });
    }
    const told = shares.map(({ round }) => round().all.map(({ forecast }) => forecast));
    expect(told.flat().map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(told.filter((of) => of.length > 0).length).toBeGreaterThan(1);
    expect(told.flat().find(({ id }) => id === 'd1')!.demandNow).toBeCloseTo(2, 5);
  });

  it('counts malformed batches and stays up', () => {
    const { forecaster, clock, round } = rig();
    for (const bytes of [Uint8Array.of(255, 255, 3), new Uint8Array(0), batchBytes('d2', [1], d1), batchBytes('d1', [NaN], d1)]) forecaster.takeSamples(SUBJECTS.metrics(deviceId('d1')), bytes);
    expect(forecaster.malformed.count).toBe(4);
    pass(forecaster, clock, 'd1', 3, d1);
    expect(round().all.length).toBe(1);
  });
});
