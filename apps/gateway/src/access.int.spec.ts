import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { device, startTestGateway, type TestGateway } from './gateway.fixture.js';

const TOKENS = { viewer: 'viewer-token-0123456789', operator: 'operator-token-0123456789', admin: 'admin-token-0123456789' } as const;
type Role = keyof typeof TOKENS;
const ORDER: readonly Role[] = ['viewer', 'operator', 'admin'];

/** Every route, with the least role that may use it. */
const ROUTES: readonly (readonly [method: string, path: string, least: Role])[] = [
  ['POST', '/v1/programs', 'admin'], ['POST', '/v1/devices', 'admin'], ['POST', '/v1/applications', 'admin'], ['POST', '/v1/threads', 'admin'],
  ['POST', '/v1/reservations', 'admin'], ['POST', '/v1/load-forecasts', 'admin'], ['POST', '/v1/maintenance', 'admin'],
  ['DELETE', '/v1/devices/x', 'admin'], ['DELETE', '/v1/threads/x', 'admin'],
  ['GET', '/v1/devices', 'viewer'], ['GET', '/v1/devices/x', 'viewer'], ['GET', '/v1/applications', 'viewer'], ['GET', '/v1/threads', 'viewer'], ['GET', '/v1/threads/x', 'viewer'],
  ['POST', '/v1/threads/x/inputs', 'operator'], ['POST', '/v1/threads/x/requests', 'operator'], ['GET', '/v1/threads/x/outputs', 'viewer'], ['GET', '/v1/threads/x/outputs/stream', 'viewer'],
  ['POST', '/v1/migrations', 'operator'], ['GET', '/v1/migrations', 'viewer'], ['GET', '/v1/migrations/x', 'viewer'], ['GET', '/v1/migrations/stream?after=-', 'viewer'],
  ['GET', '/v1/decisions', 'viewer'], ['GET', '/v1/forecasts/devices/x', 'viewer'], ['GET', '/v1/forecasts/threads/x', 'viewer'], ['GET', '/v1/graph', 'viewer'], ['GET', '/v1/graph/x', 'viewer'],
];

describe('roles', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway({ tokens: new Map(ORDER.map((role) => [TOKENS[role], role])) });
  }, 60_000);
  afterAll(async () => { await g[Symbol.asyncDispose](); }, 60_000);
  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

  it('the table names every route of the API', async () => {
    const { paths } = (await g.ask('GET', '/openapi.json')).body;
    const served = Object.entries(paths as Record<string, object>).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, 'x')}`));
    expect(ROUTES.map(([method, path]) => `${method} ${path.split('?')[0]}`).sort()).toEqual(served.sort());
  });

  it.each(ROUTES)('%s %s needs %s', async (method, path, least) => {
    // An empty body, so that whoever may pass is refused by the route itself.
    const body = method === 'POST' ? '' : undefined;
    for (const token of [undefined, 'wrong-token-0123456789', `${TOKENS.admin}x`]) {
      const { status, body: problem, headers } = await g.ask(method, path, body, token === undefined ? {} : bearer(token));
      expect([status, problem.code, headers.get('www-authenticate')]).toEqual([401, 'unauthorized', 'Bearer']);
    }
    for (const role of ORDER) {
      const { status, body: problem } = await g.ask(method, path, body, bearer(TOKENS[role]));
      if (ORDER.indexOf(role) < ORDER.indexOf(least)) expect([role, status, problem.code]).toEqual([role, 403, 'forbidden']);
      else expect([401, 403]).not.toContain(status);
    }
  });

  it('reads no body before it knows who sends it', async () => {
    const { status } = await g.ask('POST', '/v1/devices', '{"half', bearer(TOKENS.viewer));
    expect(status).toBe(403);
    expect((await g.ask('POST', '/v1/devices', device('d1'), bearer(TOKENS.admin))).status).toBe(201);
  });

  it('shows the description of the API to everyone, and nothing else', async () => {
    expect((await g.ask('GET', '/docs')).status).toBe(200);
    expect((await g.ask('GET', '/openapi.json')).status).toBe(200);
    expect((await g.ask('GET', '/v1/unknown')).status).toBe(401);
  });
});
