import { OperationError, refuse, type Code, type Refusal } from '@godwit/kernel';
import { refusalOf } from '@godwit/wire';
import { type z } from 'zod';

/** Carries a refusal out of a route to the filter that answers with it. Thrown in the HTTP layer only. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  constructor(readonly refusal: Refusal) {
    super(refusal.reason);
  }
}

/** @throws RefusedError always. */
export function refused(code: Code, reason: string, field?: string): never {
  throw new RefusedError(refuse(code, reason, field));
}

/** The parsed value. @throws RefusedError that names the field. */
export function accepted<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new RefusedError(refusalOf(parsed.error, what));
  return parsed.data;
}

/** Passes a value on. @throws RefusedError when it is a refusal. */
export function unlessRefused<Value>(value: Value | Refusal): Value {
  if (typeof value === 'object' && value !== null && (value as { refused?: unknown }).refused === true) throw new RefusedError(value as Refusal);
  return value as Value;
}

/** Runs `attempt` and gives undefined when it fails because the thing is not there. */
export async function ifPresent<Value>(attempt: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof OperationError && error.code === 'not-found') return undefined;
    throw error;
  }
}
