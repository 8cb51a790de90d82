/**
 * The two faces of "no". A `Refusal` is an expected outcome and a value: the core returns it and never throws it.
 * An `OperationError` says that the world failed; only adapters throw it. Codes are listed once, in `codes.ts`.
 */
import type { Code } from './codes.js';

/** An expected "no", with a reason that a person can read. */
export interface Refusal {
  readonly refused: true;
  readonly code: Code;
  /** One sentence: what was wrong and, where there is one, the remedy. */
  readonly reason: string;
  /** Path of the offending field, such as `limits.memoryBytes`, when the input was at fault. */
  readonly field?: string;
}

export function refuse(code: Code, reason: string, field?: string): Refusal {
  return field === undefined ? { refused: true, code, reason } : { refused: true, code, reason, field };
}

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && (value as { refused?: unknown }).refused === true;

/** What a failed operation may have left behind: `unknown` is the honest default of every timeout. */
export type Effect = 'none' | 'unknown' | 'done';

export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly code: Code;
  readonly effect: Effect;
  readonly retryAfterMs: number | undefined;
  constructor(code: Code, message: string, options: { effect: Effect; retryAfterMs?: number; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.effect = options.effect;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** For our own mistakes only. @throws Error when `condition` does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
