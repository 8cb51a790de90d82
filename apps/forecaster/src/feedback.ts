/**
 * Joins decisions with the forecasts they rested on, and their settlements with both. Owns what is pending, within bounds.
 * A decision of a device in this instance's share is told of on `godwit.forecast-feedback.<device>` when it is settled; every
 * instance learns from that subject, whoever wrote on it.
 */
import type { RiskThresholds } from '@godwit/forecasting';
import { isRefusal, type DeviceId } from '@godwit/kernel';
import type { Malformed } from '@godwit/shell';
import { decisionRecordCodec, feedbackCodec, SUBJECTS, type FeedbackMessage, type ForecastMessage } from '@godwit/wire';
import { STEP_MS } from './roll-up.js';

/** Decisions that wait for their settlement; the oldest is let go first. */
const MOST_PENDING = 1_000;
/** Only these rest on a forecast. */
const FORECAST_TRIGGERS: ReadonlySet<string> = new Set(['predicted-exhaustion', 'risk']);

export interface FeedbackParts {
  /** The newest forecast of a device, where it is this instance's. */
  readonly forecastOf: (device: DeviceId) => ForecastMessage | undefined;
  readonly kindOf: (device: DeviceId) => string;
  readonly publish: (feedback: FeedbackMessage) => void;
  readonly thresholds: RiskThresholds;
  readonly malformed: Malformed;
}

type Pending = Omit<FeedbackMessage, 'settledAtMs' | 'expectedGainCoreSeconds' | 'realisedGainCoreSeconds' | 'verdict'>;

export class FeedbackDesk {
  private readonly pending = new Map<string, Pending>();

  constructor(private readonly parts: FeedbackParts) {}

  /** A message of `godwit.decision.<thread>`. */
  takeDecision(subject: string, bytes: Uint8Array): void {
    const record = decisionRecordCodec.decode(bytes);
    if (isRefusal(record)) return this.parts.malformed.note(subject, record);
    const { decision, settlement } = record;
    if (decision?.source !== undefined && FORECAST_TRIGGERS.has(decision.trigger) && (decision.action === 'migrate' || decision.action === 'keep')) {
      const forecast = this.parts.forecastOf(decision.source);
      if (forecast !== undefined) {
        this.hold(decision.decision, {
          decision: decision.decision, thread: decision.thread, device: decision.source, deviceKind: this.parts.kindOf(decision.source), resource: forecast.resource,
          issuedAtMs: forecast.issuedAtMs, horizonMs: (forecast.values.length / forecast.levels.length) * STEP_MS, riskRatio: decision.risk, models: forecast.models,
          ...(decision.overloadInMs === undefined ? {} : { overloadInMs: decision.overloadInMs }), action: decision.action,
        });
      }
    }
    if (settlement === undefined) return;
    const held = this.pending.get(settlement.decision);
    if (held === undefined) return;
    this.pending.delete(settlement.decision);
    const { settledAtMs, expectedGainCoreSeconds, realisedGainCoreSeconds, verdict } = settlement;
    this.parts.publish({ ...held, settledAtMs, expectedGainCoreSeconds, realisedGainCoreSeconds, verdict });
  }

  /** A message of `godwit.forecast-feedback.<device>`. */
  takeFeedback(subject: string, bytes: Uint8Array): void {
    const feedback = feedbackCodec.decode(bytes);
    if (isRefusal(feedback)) return this.parts.malformed.note(subject, feedback);
    if (subject !== SUBJECTS.forecastFeedback(feedback.device)) return;
    const { action, verdict, deviceKind, models } = feedback;
    // A thread that was rightly left alone says nothing of a threshold that its device did not reach; overload that was let come says that a move would have helped.
    if (action === 'keep' && verdict === 'helped') return;
    this.parts.thresholds.settle({
      kind: deviceKind, helped: action === 'keep' || verdict === 'helped', models: models.map(({ model, weightRatio, pinballLoss }) => ({ name: model, weight: weightRatio, pinballLoss })),
    });
  }

  private hold(decision: string, pending: Pending): void {
    this.pending.set(decision, pending);
    if (this.pending.size <= MOST_PENDING) return;
    for (const oldest of this.pending.keys()) {
      this.pending.delete(oldest);
      return;
    }
  }
}
