import { decisionId, deviceId, threadId } from '@godwit/kernel';
import { RISK_THRESHOLD_LIMITS, RiskThresholds } from '@godwit/forecasting';
import type { Decision, Settlement } from '@godwit/decision';
import { createLog, Malformed } from '@godwit/shell';
import { decisionRecordCodec, feedbackCodec, SUBJECTS, type FeedbackMessage, type ForecastMessage } from '@godwit/wire';
import { FeedbackDesk } from './feedback.js';
import { HandClock } from './rig.fixture.js';

const [d1, t1] = [deviceId('d1'), threadId('t1')];
const forecast: ForecastMessage = {
  id: 'd1', resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 5_000, stepMs: 1_000, levels: [0.5], values: new Array<number>(60).fill(1),
  models: [{ model: 'lstm', weightRatio: 1, pinballLoss: 0 }], demandNow: 1, capacity: 1, riskRatio: 0.4, observations: 9,
};
const decision = (id: string, change: Partial<Decision> = {}): Decision => ({
  decision: decisionId(id), thread: t1, atMs: 6_000, action: 'migrate', trigger: 'risk', source: d1, target: deviceId('d2'), reason: 'r', expectedGainCoreSeconds: 2, costCoreSeconds: 0.1, risk: 0.4, candidates: [], ...change,
});
const settlement = (id: string, verdict: Settlement['verdict']): Settlement => ({ decision: decisionId(id), thread: t1, settledAtMs: 70_000, expectedGainCoreSeconds: 2, realisedGainCoreSeconds: -1, verdict, note: '' });

function rig() {
  const published: FeedbackMessage[] = [];
  const thresholds = new RiskThresholds();
  const malformed = new Malformed(createLog('spec', 'silent'), new HandClock());
  const desk = new FeedbackDesk({ forecastOf: (device) => (device === d1 ? forecast : undefined), kindOf: () => 'cpu', publish: (feedback) => published.push(feedback), thresholds, malformed });
  const tell = (record: Parameters<typeof decisionRecordCodec.encode>[0]): void => desk.takeDecision(SUBJECTS.decision(t1), decisionRecordCodec.encode(record));
  return { published, thresholds, malformed, desk, tell };
}

describe('feedback on forecasts', () => {
  it.each([['keep', 'useless', -1], ['keep', 'helped', 0], ['migrate', 'helped', -1], ['migrate', 'useless', 1]] as const)('moves the threshold after a settled %s that was %s by the sign of %p', (action, verdict, sign) => {
    const { desk, thresholds, published, tell } = rig();
    tell({ decision: decision('x-4', { action }) });
    tell({ settlement: settlement('x-4', verdict) });
    desk.takeFeedback(SUBJECTS.forecastFeedback('d1'), feedbackCodec.encode(published[0]!));
    expect(Math.sign(thresholds.of('cpu') - RISK_THRESHOLD_LIMITS.initial)).toBe(sign);
  });

  it('joins a settled migration with the forecast that led to it', () => {
    const { published, tell } = rig();
    tell({ decision: decision('x-1', { overloadInMs: 9_000 }) });
    tell({ settlement: settlement('x-1', 'useless') });
    expect(published).toEqual([{
      decision: 'x-1', thread: 't1', device: 'd1', deviceKind: 'cpu', resource: 'cpu.demand_cores', issuedAtMs: 5_000, horizonMs: 60_000, riskRatio: 0.4, overloadInMs: 9_000,
      models: forecast.models, settledAtMs: 70_000, expectedGainCoreSeconds: 2, realisedGainCoreSeconds: -1, verdict: 'useless', action: 'migrate',
    }]);
    tell({ settlement: settlement('x-1', 'useless') });
    expect(published.length).toBe(1);
  });

  it.each([['of another trigger', { trigger: 'drain' as const }], ['of a device of another instance', { source: deviceId('d9') }], ['that places', { action: 'place' as const }]])('leaves out decisions %s', (_, change) => {
    const { published, tell } = rig();
    tell({ decision: decision('x-2', change) });
    tell({ settlement: settlement('x-2', 'helped') });
    expect(published).toEqual([]);
  });

  it('teaches the threshold of the kind, whoever sent it, and notes what is no message', () => {
    const { desk, thresholds, malformed, published, tell } = rig();
    tell({ decision: decision('x-3') });
    tell({ settlement: settlement('x-3', 'harmful') });
    desk.takeFeedback(SUBJECTS.forecastFeedback('d1'), feedbackCodec.encode(published[0]!));
    expect(thresholds.of('cpu')).toBeGreaterThan(RISK_THRESHOLD_LIMITS.initial);
    expect(thresholds.of('gpu')).toBe(RISK_THRESHOLD_LIMITS.initial);
    expect(thresholds.recordOf('lstm')).toEqual({ helped: 0, misled: 1 });
    desk.takeFeedback(SUBJECTS.forecastFeedback('d1'), Uint8Array.of(255));
    desk.takeDecision(SUBJECTS.decision(t1), Uint8Array.of(255));
    expect(malformed.count).toBe(2);
  });
});
