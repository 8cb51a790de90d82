/** The HTTP server below Nest: limits, bodies, access, and problem details for what never reaches a route. */
import { refuse } from '@godwit/kernel';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from './fastify.js';
import type { Socket } from 'node:net';
import { accessCheck, JSON_TYPE, mediaType, type RouteAccess, type Tokens } from './access.js';
import { problemOf, problemOfError, PROBLEM_TYPE, type Problem } from './problem.js';
import { strictJson } from './strict-json.js';

const MIB = 1024 * 1024;
export const BODY_LIMITS = { jsonBytes: 6 * MIB, rawInputBytes: MIB, programBytes: 16 * MIB } as const;
export const PROGRAM_TYPES = ['application/wasm', 'text/javascript', 'application/x-executable'] as const;
export const RAW_INPUT_TYPES = ['application/octet-stream', 'text/plain'] as const;
/** A client has so long to send its request. */
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_PARAM_LENGTH = 256;

export function createHttpServer(tokens: Tokens | undefined): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMITS.jsonBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A HEAD of an event stream would begin one.
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: (error: Error, _request: unknown, reply: FastifyReply) => { answer(reply, problemOfError(error)); },
    clientErrorHandler,
  });
  // Nest's types lag behind Fastify's; the instance is Fastify's own.
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  takeBodies(fastify);
  const check = accessCheck(tokens);
  fastify.addHook('onRequest', (request, reply, done) => {
    const access = accessOf(request);
    const refusal = check(request.headers, access.role);
    if (refusal) {
      if (refusal.code === 'unauthorized') void reply.header('www-authenticate', 'Bearer');
      return void answer(reply, problemOf(refusal));
    }
    const unfit = request.is404 ? undefined : unfitBody(request, access);
    if (unfit) return void answer(reply, unfit);
    void reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    done();
  });
  return adapter;
}

function takeBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer', bodyLimit: BODY_LIMITS.jsonBytes }, (_request, body, done) => {
    try {
      done(null, strictJson(body as Buffer));
    } catch (error) {
      done(error as Error, undefined);
    }
  });
  const asItCame = (types: readonly string[], bodyLimit: number): void =>
    fastify.addContentTypeParser([...types], { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body));
  asItCame(PROGRAM_TYPES, BODY_LIMITS.programBytes);
  asItCame(RAW_INPUT_TYPES, BODY_LIMITS.rawInputBytes);
}

/** The description of the API is served by the framework's own routes, which declare nothing. */
function accessOf(request: FastifyRequest): RouteAccess {
  const url = request.routeOptions.url ?? '';
  if (url === '/openapi.json' || url === '/docs' || url.startsWith('/docs/') || url.startsWith('/docs-')) return { role: 'public' };
  const { role, accepts } = request.routeOptions.config as unknown as Partial<RouteAccess>;
  return { role: role ?? (request.is404 ? 'viewer' : 'admin'), ...(accepts ? { accepts } : {}) };
}

/** Bodies that are refused by their headers. */
function unfitBody({ method, headers }: FastifyRequest, { accepts = [] }: RouteAccess): Problem | undefined {
  if (method !== 'POST') return undefined;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return problemOf(refuse('malformed-message', `the body is encoded as ${encoding.slice(0, 40)}; send it plain`, 'Content-Encoding'), { status: 415 });
  }
  if (accepts.includes(mediaType(headers['content-type']))) return undefined;
  return problemOf(refuse('malformed-message', `the body must be ${accepts.join(' or ')}, named by Content-Type`, 'Content-Type'), { status: 415 });
}

export function answer(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
}

/** What is no HTTP: the socket is answered by hand and closed. */
function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const long = error.code === 'HPE_HEADER_OVERFLOW';
  const timedOut = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const problem = problemOf(refuse('malformed-message', long ? 'the headers are too long' : timedOut ? 'the request did not come in time' : 'the bytes are no HTTP request'), { status: long ? 431 : timedOut ? 408 : 400 });
  const body = JSON.stringify(problem);
  socket.end(`HTTP/1.1 ${problem.status} Refused\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}
