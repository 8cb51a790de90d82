/** A second reader of `intake`: how punctual is each hour of the day? */
import { defineThread, jsonCodec } from '@godwit/sdk';

export interface Hour {
  flights: number;
  late: number;
  /** Flights by delay, in steps of `STEP_MINUTES`; the first holds all that were early, the last all beyond. */
  readonly steps: number[];
}
export interface Delays {
  flights: number;
  readonly hours: Hour[];
}

/** A flight counts as late from here on, minutes. */
const LATE_MINUTES = 15;
const STEP_MINUTES = 5;
const STEPS = 40;
export const LINE_EVERY_FLIGHTS = 500;

export const emptyDelays = (): Delays => ({
  flights: 0, hours: Array.from({ length: 24 }, () => ({ flights: 0, late: 0, steps: Array.from({ length: STEPS }, () => 0) })),
});

/** One line of `intake`: id,minute,delay,distance,FROM,TO. */
export function count(delays: Delays, line: string): void {
  const [, minute, delay] = line.split(',');
  const hour = delays.hours[Math.floor(Number(minute) / 60)];
  if (!hour) return;
  delays.flights++;
  hour.flights++;
  if (Number(delay) >= LATE_MINUTES) hour.late++;
  const step = Math.min(STEPS - 1, Math.max(0, Math.ceil(Number(delay) / STEP_MINUTES)));
  hour.steps[step] = hour.steps[step]! + 1;
}

/** Upper end of the step in which the given share of flights is reached, minutes. @param share 0..1 */
export function delayAt(hour: Hour, share: number): number {
  let seen = 0;
  const step = hour.steps.findIndex((flights) => (seen += flights) >= share * hour.flights);
  return Math.max(0, step) * STEP_MINUTES;
}

export default defineThread<Delays>({
  name: 'delays',
  version: '1.0.0',
  deterministic: true,
  codec: jsonCodec(),
  initial: emptyDelays,
  onMessage(ctx, message, state) {
    const before = Math.floor(state.flights / LINE_EVERY_FLIGHTS);
    for (const line of new TextDecoder().decode(message.payload).split('\n')) if (line !== '') count(state, line);
    if (Math.floor(state.flights / LINE_EVERY_FLIGHTS) === before) return;
    const hours = state.hours.flatMap((hour, at) => (hour.flights === 0 ? [] : [{ at, flights: hour.flights, lateShare: Math.round((hour.late / hour.flights) * 1_000) / 1_000, p90: delayAt(hour, 0.9) }]));
    ctx.emit('delays', { flights: state.flights, hours });
  },
});
