/**
 * Instants and durations are different types: the phantom unit stops the compiler from taking one for the
 * other, while a plain number fits both.
 */
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type InstantMs = number & { readonly __unit?: 'instant-ms' };
/** Milliseconds between two instants. */
export type DurationMs = number & { readonly __unit?: 'duration-ms' };
/** Milliseconds of a clock that never jumps; comparable only within one boot of one machine. */
export type MonotonicMs = number & { readonly __unit?: 'monotonic-ms' };

/** The clock port. Adapters implement it on the host's clocks, the simulator on a counter. */
export interface Clock {
  nowMs(): InstantMs;
  monotonicMs(): MonotonicMs;
}
/** A timer that was set. Cancelling one that has fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void;
}
/** The timer port. A process that was paused fires late, never twice for what it missed. */
export interface Timers {
  after(delayMs: DurationMs, run: () => void): Timer;
  /** First after one period. */
  every(periodMs: DurationMs, run: () => void): Timer;
}
export const SECOND_MS: DurationMs = 1_000;
export const MINUTE_MS: DurationMs = 60_000;
