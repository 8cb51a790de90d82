/** Path, query and header parameters, each refused with its name. */
import { isId, type RequestId } from '@godwit/kernel';
import { z } from 'zod';
import { refused } from './refused.js';

/** A whole number in a query, as text. */
const whole = (least: number, most: number) =>
  z.string().regex(/^\d{1,16}$/, 'must be a whole number').transform(Number).refine((n) => Number.isSafeInteger(n) && n >= least && n <= most, `must be ${least} to ${most}`)
    .meta({ type: 'integer', minimum: least, maximum: most });
const idText = z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be 1 to 64 of a-z, 0-9 and -');
const MOST = Number.MAX_SAFE_INTEGER;

export const listQuery = z.strictObject({
  limit: whole(1, 1_000).optional().meta({ description: 'most items, default 100' }),
  after: idText.optional().meta({ description: 'id that the page begins behind: `next` of the page before' }),
});
export const outputsQuery = z.strictObject({
  after: whole(0, MOST).optional().meta({ description: 'output number that the page begins behind, default 0' }),
  last: whole(1, 1_000).optional().meta({ description: 'the newest so many, instead of `after`' }),
  limit: whole(1, 1_000).optional().meta({ description: 'most items, default 100' }),
}).refine((given) => given.after === undefined || given.last === undefined, { path: ['last'], error: 'goes without after' });
/** Longest and usual time for the answer to a request. */
const MOST_ANSWER_MS = 120_000;
export const DEFAULT_ANSWER_MS = 30_000;
export const answerMs = whole(1, MOST_ANSWER_MS);
export const requestsQuery = z.strictObject({ timeoutMs: answerMs.optional().meta({ description: 'longest time to wait for the answer, default 30000' }) });
export const outputsStreamQuery = z.strictObject({ after: whole(0, MOST).optional().meta({ description: 'output number that the stream begins behind; Last-Event-ID goes before it' }) });
export const migrationsQuery = z.strictObject({
  thread: idText.optional(), limit: whole(1, 1_000).optional().meta({ description: 'most items, default 100' }),
  before: idText.optional().meta({ description: 'migration that the page begins behind: `next` of the page before' }),
});
export const migrationsStreamQuery = z.strictObject({ thread: idText.optional(), after: whole(0, MOST).optional().meta({ description: 'event id that the stream begins behind; default: only what comes from now on' }) });
export const decisionsQuery = z.strictObject({
  thread: idText.optional(), limit: whole(1, 1_000).optional().meta({ description: 'most items, default 100' }),
  before: whole(1, MOST).optional().meta({ description: '`next` of the page before' }),
});
export const noQuery = z.strictObject({});
export const DEFAULT_LIMIT = 100;

/** An id of the path. @throws RefusedError */
export function pathId<Id extends string>(text: string, field: string): Id {
  return isId(text) ? (text as string as Id) : refused('invalid-field', `field ${field}: must be 1 to 64 of a-z, 0-9 and -`, field);
}

/** Undefined when the header is absent. @throws RefusedError */
export function idempotencyKey(header: string | string[] | undefined): RequestId | undefined {
  if (header === undefined) return undefined;
  return isId(header) ? (header as string as RequestId) : refused('invalid-field', 'header Idempotency-Key: must be 1 to 64 of a-z, 0-9 and -', 'Idempotency-Key');
}

/** Undefined when the header is absent or empty. @throws RefusedError */
export function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  const n = typeof header === 'string' && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN;
  return Number.isSafeInteger(n) ? n : refused('invalid-field', 'header Last-Event-ID: must be a whole number', 'Last-Event-ID');
}
