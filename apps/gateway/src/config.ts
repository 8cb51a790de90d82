import { refuse, type Refusal } from '@godwit/kernel';
import { z } from 'zod';
import { isLoopback, ROLES, type Role } from './http/access.js';

export const gatewayConfig = {
  GODWIT_HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free port; the line on stdout tells which. */
  GODWIT_HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** JSON object of token to role; without it the gateway listens on loopback only and asks for no token. */
  GODWIT_TOKENS: z.string().optional(),
} satisfies z.ZodRawShape;

const MIN_TOKEN_LENGTH = 16;

/** Token to role, or a refusal that names the variable and never the token. */
export function readTokens(text: string | undefined, host: string): ReadonlyMap<string, Role> | undefined | Refusal {
  if (text === undefined || text === '') {
    return isLoopback(host) ? undefined : refuse('invalid-field', `configuration: GODWIT_HTTP_HOST is ${host}: without GODWIT_TOKENS the gateway listens on loopback only`, 'GODWIT_HTTP_HOST');
  }
  const wrong = (why: string): Refusal => refuse('invalid-field', `configuration: GODWIT_TOKENS: ${why}`, 'GODWIT_TOKENS');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return wrong('is not JSON');
  }
  const tokens = z.record(z.string().min(MIN_TOKEN_LENGTH), z.enum(ROLES)).safeParse(parsed);
  if (!tokens.success) return wrong(`must be an object of tokens (at least ${MIN_TOKEN_LENGTH} characters) to one of ${ROLES.join(', ')}`);
  if (Object.keys(tokens.data).length === 0) return wrong('names no token');
  return new Map(Object.entries(tokens.data));
}
