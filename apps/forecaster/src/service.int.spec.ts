import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deviceId, isRefusal, threadId } from '@godwit/kernel';
import { connectNats, ensureStreams, type NatsLink } from '@godwit/nats';
import { createLog, systemClock } from '@godwit/shell';
import { startTestNats, type TestNats } from '@godwit/testing';
import { DEMAND_METRIC, forecastCodec, historyCodec, STREAMS, SUBJECTS, type ForecastMessage } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';
import { openForecastService, type ForecastService } from './service.js';
import { batchBytes, type Readings } from './rig.fixture.js';
import { WHOLE } from './share.js';

const WITHIN_MS = 10_000;
const [d1, t1] = [deviceId('d1'), threadId('t1')];
const readings: Readings = { '': { 'cpu.cores': 0.5, 'cpu.capacity_cores': 1 }, t1: { 'cpu.cores': 0.25 } };

describe('the forecaster on NATS', () => {
  let server: TestNats;
  let link: NatsLink;
  beforeAll(async () => {
    server = await startTestNats();
    link = await connectNats({ url: server.url, name: 'spec' });
    await ensureStreams(link, { replicas: 1, registrySubjects: STREAMS.registry.subjects });
  }, 60_000);
  afterAll(async () => {
    await link.close();
    await server[Symbol.asyncDispose]();
  }, 60_000);

  const open = (): Promise<ForecastService> => openForecastService({ nats: link.nc, log: createLog('spec', 'silent'), clock: systemClock, horizonMs: 10_000, share: WHOLE });

  /** The next forecast on the subject that fits; meanwhile samples come in ten times a second, and rubbish between them. */
  async function forecastOf(subject: string, fits: (forecast: ForecastMessage) => boolean = () => true): Promise<ForecastMessage> {
    const sampling = setInterval(() => {
      link.nc.publish(SUBJECTS.metrics(d1), batchBytes('d1', [systemClock.nowMs()], readings));
      link.nc.publish(SUBJECTS.metrics(d1), Uint8Array.of(255, 0, 255));
    }, 100);
    const subscription = link.nc.subscribe(subject, { timeout: WITHIN_MS });
    try {
      for await (const { data } of subscription) {
        const forecast = forecastCodec.decode(data);
        if (isRefusal(forecast)) throw new Error(forecast.reason);
        if (fits(forecast)) return forecast;
      }
      throw new Error(`no more messages on ${subject}`);
    } finally {
      clearInterval(sampling);
      subscription.unsubscribe();
    }
  }

  it('publishes forecasts of what it samples, writes the history on its end, and a new instance goes on from there', async () => {
    const first = await open();
    const device = await forecastOf(SUBJECTS.deviceForecast(d1), ({ observations }) => observations >= 3);
    expect(device).toMatchObject({ id: 'd1', resource: DEMAND_METRIC, stepMs: 1_000, capacity: 1, demandNow: expect.closeTo(0.5, 5) });
    expect(device.values.length).toBe(10 * device.levels.length);
    const thread = await forecastOf(SUBJECTS.threadForecast(t1));
    expect(thread.demandNow).toBeCloseTo(0.25, 5);
    expect(first.forecaster.malformed.count).toBeGreaterThan(0);
    expect(await first.metrics.metrics()).toContain('godwit_device_time_to_saturation_seconds{device="d1",resource="cpu.demand_cores"} +Inf');
    await first.close();

    const stored = await jetstream(link.nc).consumers.get(STREAMS.history.name, { filter_subjects: SUBJECTS.history('thread', t1) });
    const message = await stored.next({ expires: 2_000 });
    expect(historyCodec.decode(message!.data)).toMatchObject({ id: 't1', device: 'd1', columns: expect.arrayContaining([expect.objectContaining({ metric: DEMAND_METRIC })]) });
    await jetstream(link.nc).publish(SUBJECTS.history('thread', 't9'), Uint8Array.of(255, 1, 2));

    const second = await open();
    const replayed = await forecastOf(SUBJECTS.threadForecast(t1));
    expect(replayed.observations).toBeGreaterThanOrEqual(thread.observations);
    await second.close();
  }, 60_000);
});
