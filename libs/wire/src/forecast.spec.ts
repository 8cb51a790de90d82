import { godwit } from '#generated';
import type { DecisionId, DeviceId, ThreadId } from '@godwit/kernel';
import { decodeTraces, encodeForecast, feedbackCodec, forecastCodec, traceBatchCodec, type ForecastMessage } from './index.js';

const encodeOdd = (batch: object): Uint8Array => godwit.trace.v1.TraceBatch.encode(batch as never).finish();
const plain: ForecastMessage = {
  id: 't1', resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 1_700_000_000_000, stepMs: 1_000, levels: [0.1, 0.5, 0.9], values: [0, 0.5, 1],
  models: [{ model: 'last-value', weightRatio: 1, pinballLoss: 0.25 }], demandNow: 0.5, observations: 7,
};
const full: ForecastMessage = {
  ...plain, capacity: 2, riskRatio: 0.5, riskThresholdRatio: 0.25, overloadInMs: 9_000, overloadInMsP10: 5_000, overloadInMsP90: 30_000, failureRatio: 0.125,
  failureCauses: [{ cause: 'temperature', probabilityRatio: 0.125, detail: 'hot' }],
  phase: { phase: 1, label: 'loop:a', probabilityRatio: 1, count: 3, ageMs: 4_000, next: { phase: 0, label: 'loop:b', probabilityRatio: 0.5, inMsP50: 2_000 } },
  performance: [{ device: 'd1', utilisationRatio: 0.5, latencyMsP99: 8, basis: 'kind', readings: 3 }],
};

describe('forecasts', () => {
  it.each([['plain', plain], ['full', full], ['without a next phase', { ...full, phase: { phase: 0, label: 'idle', probabilityRatio: 1, count: 1, ageMs: 0 } }]])('%s go over the wire unchanged, by either encoder', (_, forecast) => {
    expect(forecastCodec.decode(forecastCodec.encode(forecast))).toEqual(forecast);
    expect(forecastCodec.decode(encodeForecast(forecast))).toEqual(forecast);
    expect(forecastCodec.fromJson(forecastCodec.toJson(forecast))).toEqual(forecast);
  });
  it('are refused with the field where one is wrong', () => {
    expect(forecastCodec.decode(encodeForecast({ ...full, failureRatio: 2 }))).toMatchObject({ refused: true, field: 'failureRatio' });
    expect(forecastCodec.decode(encodeForecast({ ...full, performance: [{ ...full.performance![0]!, basis: 'guess' as 'kind' }] }))).toMatchObject({ field: 'performance.0.basis' });
  });
});

it('feedback goes over the wire unchanged', () => {
  const feedback = {
    decision: 'x-1' as DecisionId, thread: 't1' as ThreadId, device: 'd1' as DeviceId, deviceKind: 'cpu', resource: 'cpu.demand_cores', issuedAtMs: 1, horizonMs: 60_000, riskRatio: 0.5,
    overloadInMs: 9_000, models: plain.models, settledAtMs: 2, expectedGainCoreSeconds: 1.5, realisedGainCoreSeconds: -0.5, verdict: 'harmful' as const, action: 'migrate' as const,
  };
  expect(feedbackCodec.decode(feedbackCodec.encode(feedback))).toEqual(feedback);
});

describe('traces', () => {
  const batch = { device: 'd1' as DeviceId, atMs: 5, spanMs: 1_000, threads: [{ thread: 't1' as ThreadId, counters: [{ name: 'loop:a', count: 12 }] }], edges: [] };
  it('are read by hand as by the schema', () => {
    const { edges: _, ...rest } = batch;
    expect(decodeTraces(traceBatchCodec.encode(batch))).toMatchObject(rest);
  });
  it.each([[{ spanMs: 0 }, 'spanMs'], [{ atMs: 1 / 0 }, 'atMs'], [{ device: 'D' }, 'device'], [{ threads: [{ thread: 'no id', counters: [] }] }, 'threads.0.thread']])('%j is refused', (change, field) => {
    expect(decodeTraces(encodeOdd({ ...batch, ...change }))).toMatchObject({ refused: true, field });
  });
  it('that are no message are refused', () => expect(decodeTraces(Uint8Array.of(255, 0, 255))).toMatchObject({ code: 'malformed-message' }));
});
