/** Errors as RFC 9457 problem details. `code` is stable and stands in the table of @godwit/kernel with its remedy. */
import { CODES, isCode, OperationError, refuse, type Code, type Effect, type Refusal } from '@godwit/kernel';
import { HttpException } from '@nestjs/common';
import { RefusedError } from './refused.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** One sentence about this occurrence. */
  readonly detail: string;
  readonly code: Code;
  /** Path of the field at fault. */
  readonly field?: string;
  readonly remedy: string;
  /** What the failed request may have left behind; absent for `none`. */
  readonly effect?: Exclude<Effect, 'none'>;
}

/** HTTP's own word where it says more than the code's usual status. */
const STATUS_OF_HTTP = new Set([414, 415, 431]);
const CODE_OF_HTTP: Readonly<Record<number, Code>> = { 401: 'unauthorized', 403: 'forbidden', 404: 'not-found', 413: 'payload-too-large' };

export function problemOf(refusal: Refusal, extra: { readonly status?: number; readonly effect?: Effect } = {}): Problem {
  const { status, meaning, remedy } = CODES[refusal.code];
  return {
    type: `urn:godwit:problem:${refusal.code}`, title: meaning, status: extra.status ?? status, detail: refusal.reason, code: refusal.code, remedy,
    ...(refusal.field ? { field: refusal.field } : {}),
    ...(extra.effect === undefined || extra.effect === 'none' ? {} : { effect: extra.effect }),
  };
}

/** From anything that a route, a parser or the framework throws. What is no expected failure becomes `internal` and tells nothing of itself. */
export function problemOfError(error: unknown): Problem {
  if (error instanceof RefusedError) return problemOf(error.refusal);
  if (error instanceof OperationError) return problemOf(refuse(error.code, error.message), { effect: error.effect });
  const status = statusOf(error);
  if (status === undefined || status >= 500) return problemOf(refuse('internal', 'the gateway failed at this request; its log says why'));
  const code = CODE_OF_HTTP[status] ?? 'malformed-message';
  return problemOf(refuse(isCode(code) ? code : 'internal', (error as Error).message), STATUS_OF_HTTP.has(status) ? { status } : {});
}

/** Nest's exceptions and Fastify's errors both carry their status, by different names. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}
