/** Wires the forecaster to NATS: history first, then samples; one round of forecasts each second. */
import type { Clock, DurationMs } from '@godwit/kernel';
import { followRegistry, type Log, type RegistryFollower } from '@godwit/shell';
import type { NeuralForecaster } from '@godwit/tfjs';
import { DEMAND_METRIC, encodeForecast, feedbackCodec, historyCodec, SUBJECTS } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Registry } from 'prom-client';
import { FeedbackDesk } from './feedback.js';
import { Forecaster } from './forecaster.js';
import { HistoryWriter } from './history-writer.js';
import { Loop } from './loop.js';
import { Measures } from './measures.js';
import { NeuralRefresh } from './neural-forecaster.js';
import { replayHistory } from './replay-history.js';
import { STEP_MS } from './roll-up.js';
import type { Share } from './share.js';

/** So much of the past is replayed at the start, and the longest time for it. */
const REPLAY = { pastMs: 300_000, limitMs: 20_000 } as const;

export interface ForecastServiceOptions {
  readonly nats: NatsConnection;
  readonly log: Log;
  readonly clock: Clock;
  readonly horizonMs: DurationMs;
  readonly share: Share;
  /** The neural model; the bank alone without it. */
  readonly neural?: { readonly model: NeuralForecaster; readonly refreshMs: DurationMs };
}

export interface ForecastService {
  readonly forecaster: Forecaster;
  readonly follower: RegistryFollower;
  /** The service's own metrics, to be merged into those of its admin port. */
  readonly metrics: Registry;
  close(): Promise<void>;
}

/** @throws OperationError when the registry cannot be read. */
export async function openForecastService({ nats, log, clock, horizonMs, share, neural }: ForecastServiceOptions): Promise<ForecastService> {
  const js = jetstream(nats);
  const metrics = new Registry();
  const writer = new HistoryWriter(async (kind, history) => void (await js.publish(SUBJECTS.history(kind, history.id), historyCodec.encode(history))), log);
  const forecaster: Forecaster = new Forecaster({
    clock, log,
    publishForecast: (kind, forecast) => {
      const { id, resource } = forecast;
      const subject = kind === 'thread' ? SUBJECTS.threadForecast(id) : resource === DEMAND_METRIC ? SUBJECTS.deviceForecast(id) : SUBJECTS.resourceForecast(id, resource);
      nats.publish(subject, encodeForecast(forecast));
      measures.forecast(kind, forecast);
    },
    publishHistory: (kind, history) => writer.write(kind, history),
  }, { horizonMs, share });
  const measures = new Measures(metrics, forecaster, horizonMs);

  const follower = await followRegistry({ nats, log, onChange: (registry) => forecaster.takeRegistry(registry) });
  try {
    const replayed = await replayHistory(nats, { sinceMs: clock.nowMs() - REPLAY.pastMs, limitMs: REPLAY.limitMs, take: (kind, history) => forecaster.replay(kind, history) });
    log.info(replayed, 'history replayed');
  } catch (error) {
    log.warn({ err: error }, 'no history; the series begin anew');
  }
  const desk = new FeedbackDesk({
    forecastOf: (device) => forecaster.newestOf(device), kindOf: (device) => forecaster.kindOf(device), thresholds: forecaster.thresholds, malformed: forecaster.malformed,
    publish: (feedback) => nats.publish(SUBJECTS.forecastFeedback(feedback.device), feedbackCodec.encode(feedback)),
  });
  const listen = (subject: string, take: (subject: string, data: Uint8Array) => void) => nats.subscribe(subject, {
    callback: (error, message) => (error ? log.warn({ err: error, subject }, 'subscription failed') : take(message.subject, message.data)),
  });
  const subscriptions = [
    listen(SUBJECTS.metrics('*'), (subject, data) => forecaster.takeSamples(subject, data)),
    listen(SUBJECTS.trace('*'), (subject, data) => forecaster.takeTraces(subject, data)),
    listen(SUBJECTS.decision('*'), (subject, data) => desk.takeDecision(subject, data)),
    listen(SUBJECTS.forecastFeedback('*'), (subject, data) => desk.takeFeedback(subject, data)),
  ];
  const loop = new Loop({ clock, round: () => forecaster.round(), onRound: (busyMs) => measures.round(DEMAND_METRIC, busyMs) });
  loop.start(STEP_MS);
  const refresh = neural && new NeuralRefresh({ ...neural, clock, log, horizonMs, subjects: () => forecaster.series() });
  refresh?.start();
  return {
    forecaster, follower, metrics,
    close: async () => {
      loop.stop();
      await refresh?.stop();
      for (const subscription of subscriptions) subscription.unsubscribe();
      forecaster.flush();
      await writer.close();
      await follower.stop();
    },
  };
}
