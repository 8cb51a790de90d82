/** Scores of one forecaster at the events and at the calm steps of a series, or of many: they can be joined. */
export interface EventScores {
  /** Per event, the highest probability that was given for it early enough; 0..1. */
  readonly events: readonly number[];
  /** Per step that no event followed, the probability that was given; 0..1. */
  readonly calm: readonly number[];
}

/**
 * Share of the events that are recalled when alarms are raised above the lowest threshold whose false-alarm rate is at most
 * `falseAlarmRatio` of the calm steps; null without events. A score equal to the threshold raises no alarm, so that ties never
 * buy recall.
 */
export function recallAt(scores: EventScores, falseAlarmRatio: number): number | null {
  if (scores.events.length === 0) return null;
  const calm = Float64Array.from(scores.calm).sort();
  const allowed = Math.floor(falseAlarmRatio * calm.length);
  const threshold = allowed >= calm.length ? -1 : calm[calm.length - 1 - allowed]!;
  return scores.events.filter((score) => score > threshold).length / scores.events.length;
}

/** Share of the scores above `threshold`; 0 for none. */
export const shareAbove = (scores: readonly number[], threshold: number): number =>
  scores.length === 0 ? 0 : scores.filter((score) => score > threshold).length / scores.length;

export interface OverloadRule {
  /** A value above it is an overload. */
  readonly threshold: number;
  /** An event counts as foreseen when it was at least so many steps ahead. */
  readonly leastLeadSteps: number;
  /** Furthest lead that is looked at. */
  readonly mostLeadSteps: number;
}

/**
 * The steps at which an overload begins: above the threshold after `leastLeadSteps` steps that were not (missing steps count
 * as not above).
 */
export function overloadOnsets(values: ArrayLike<number>, { threshold, leastLeadSteps }: OverloadRule): number[] {
  const onsets: number[] = [];
  let calmSteps = 0;
  for (let t = 0; t < values.length; t++) {
    if (values[t]! > threshold) {
      if (calmSteps >= leastLeadSteps) onsets.push(t);
      calmSteps = 0;
    } else calmSteps++;
  }
  return onsets;
}

/**
 * Sorts per-step scores into those of events and those of calm steps.
 * @param scoreAt score of step t, NaN where none was taken. Calm are the steps, above or not, that no value above follows within
 *   `mostLeadSteps`: an alarm there is a false one.
 */
export function eventScoresOf(values: ArrayLike<number>, rule: OverloadRule, scoreAt: Float64Array): EventScores {
  const events: number[] = [];
  for (const onset of overloadOnsets(values, rule)) {
    let best = NaN;
    for (let t = Math.max(0, onset - rule.mostLeadSteps); t <= onset - rule.leastLeadSteps; t++) {
      const score = scoreAt[t]!;
      if (!Number.isNaN(score) && !(score <= best)) best = score;
    }
    if (!Number.isNaN(best)) events.push(best);
  }
  const calm: number[] = [];
  let quietFrom = values.length;
  for (let t = values.length - 1; t >= 0; t--) {
    const followed = quietFrom - t <= rule.mostLeadSteps && quietFrom < values.length;
    const unknown = t + rule.mostLeadSteps >= values.length;
    if (values[t]! > rule.threshold) quietFrom = t;
    if (!followed && !unknown && !Number.isNaN(scoreAt[t]!)) calm.push(scoreAt[t]!);
  }
  return { events, calm };
}
