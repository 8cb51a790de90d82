/**
 * Who may do what, decided from the route and the headers alone, before a body is read.
 *
 * Invariants:
 *  A1. A route without a declared role needs `admin`.
 *  A2. Comparing a token takes the same time whatever it shares with the right ones.
 *  A3. Without tokens only this machine's own callers are served: a page of another site that a browser on this machine
 *      shows is not (its Origin tells), nor a name of another site that was made to point here (the Host tells).
 */
import { refuse, type Refusal } from '@godwit/kernel';
import { RouteConfig } from '@nestjs/platform-fastify';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** In rising order: each may do what those before it may. `viewer` reads; `operator` also feeds and moves; `admin` also registers and removes. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface RouteAccess {
  /** `public` for the API's description. */
  readonly role: Role | 'public';
  /** Content types of the body that the route takes. */
  readonly accepts?: readonly string[];
}
export const JSON_TYPE = 'application/json';

/** What a route needs. */
export const Needs = (role: RouteAccess['role'], accepts: readonly string[] = [JSON_TYPE]): MethodDecorator => RouteConfig({ role, accepts } satisfies RouteAccess);

export type Tokens = ReadonlyMap<string, Role>;
const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|::1|\[::1\])$/;
/** True for an address or name that only this machine reaches. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** @returns the decision for one request: undefined when it may pass. */
export function accessCheck(tokens: Tokens | undefined): (headers: IncomingHttpHeaders, needed: RouteAccess['role']) => Refusal | undefined {
  if (!tokens) return (headers) => foreignCaller(headers);
  const known = [...tokens].map(([token, role]) => ({ digest: digest(token), role }));
  return (headers, needed) => {
    if (needed === 'public') return undefined;
    const given = /^Bearer ([\x21-\x7e]{1,512})$/.exec(headers.authorization ?? '')?.[1];
    const givenDigest = digest(given ?? '');
    let role: Role | undefined;
    // All are compared, so that the time does not tell which one fits.
    for (const token of known) if (timingSafeEqual(token.digest, givenDigest)) role = token.role;
    if (given === undefined) return refuse('unauthorized', 'this gateway asks for a token: Authorization: Bearer TOKEN', 'Authorization');
    if (role === undefined) return refuse('unauthorized', 'the token is not known', 'Authorization');
    if (ROLES.indexOf(role) < ROLES.indexOf(needed)) return refuse('forbidden', `the token's role is ${role}; this needs ${needed}`, 'Authorization');
    return undefined;
  };
}

function foreignCaller(headers: IncomingHttpHeaders): Refusal | undefined {
  const host = headers.host;
  if (host !== undefined && !isLoopback(hostName(`http://${host}`) ?? '')) return refuse('forbidden', 'the Host is not this machine; configure tokens to be reached by other names', 'Host');
  const origin = headers.origin;
  if (origin !== undefined && origin !== `http://${host ?? ''}`) return refuse('forbidden', 'the request comes from a page of another origin', 'Origin');
  return undefined;
}

function hostName(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

/** The media type alone, in lower case. */
export const mediaType = (contentType: string | undefined): string => (contentType ?? '').split(';')[0]!.trim().toLowerCase();
