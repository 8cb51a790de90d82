import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Terminal } from './cli.js';
import { findUrl } from './endpoint.js';
import { createProgram, runProgram } from './program.js';

interface Asked { readonly method: string; readonly url: string; readonly type: string | undefined; readonly key: string | undefined; readonly body: string }
type Reply = { readonly status?: number; readonly body?: unknown; readonly events?: readonly unknown[] };

const page = (items: readonly unknown[]): Reply => ({ body: { items, next: null } });
const problem = (status: number, code: string, detail: string): Reply => ({ status, body: { type: 't', title: 't', status, detail, code, remedy: 'Do otherwise.' } });
const OWNER = { device: 'd1', epoch: 3, reason: 'committed', sinceMs: 1_000, checkpoint: 1, note: '' };
const THREAD = { thread: 'counter', application: 'demo', shard: 'demo', state: 'running', fault: null, owner: OWNER, migration: null, samples: { atMs: 1, device: 'd1', values: { 'cpu.cores': 0.4567, 'memory.bytes': 3_145_728 } }, forecasts: [] };
const status = (phase: string, atMs: number, extra: object = {}): object => ({ migration: 'm-1', thread: 'counter', source: 'd1', target: 'd2', phase, epoch: 3, cause: 'manual', atMs, plannedAtMs: 0, ...extra });

describe('the command line', () => {
  let server: Server;
  let url: string;
  let folder: string;
  let routes: Record<string, Reply>;
  let asked: Asked[];

  beforeAll(async () => {
    server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (chunk: Buffer) => parts.push(chunk)).on('end', () => {
        asked.push({ method: request.method!, url: request.url!, type: request.headers['content-type'], key: request.headers['idempotency-key'] as string | undefined, body: Buffer.concat(parts).toString() });
        const reply = routes[`${request.method} ${request.url!.split('?')[0]}`] ?? problem(404, 'not-found', `no ${request.url}`);
        if (!reply.events) return void response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        reply.events.forEach((data, i) => response.write(`id: ${i + 1}\ndata: ${JSON.stringify(data)}\n\n`));
      });
    });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'godwit-cli-'));
    routes = {};
    asked = [];
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function godwit(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    return godwitIn({}, ...args);
  }
  async function godwitIn(how: Partial<Terminal>, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const result = { code: 0, out: '', err: '' };
    const terminal: Terminal = {
      out: (text) => { result.out += text; }, outBytes: (bytes) => { result.out += Buffer.from(bytes).toString(); }, err: (text) => { result.err += text; },
      isTty: false, env: { GODWIT_URL: url }, folder, nowMs: () => 61_000, stdin: async () => Buffer.from('from stdin'), interrupted: new AbortController().signal,
      setExitCode: (code) => { result.code = code; }, ...how,
    };
    await runProgram(createProgram(terminal), args, terminal);
    return result;
  }

  it('lists threads in columns, without colours in a pipe', async () => {
    routes['GET /v1/threads'] = page([THREAD, { ...THREAD, thread: 't2', state: 'migrating', migration: { migration: 'm', phase: 'shadowing', source: 'd1', target: 'd2' }, owner: null, samples: null }]);
    const { out, code } = await godwit('ps');
    expect(out.split('\n')).toEqual([
      'THREAD   APP   STATE                       DEVICE  CORES  MEMORY  BACKLOG  P99  HERE FOR',
      'counter  demo  running                     d1       0.46   3 MiB        -    -       1 m',
      't2       demo  migrating (shadowing → d2)  -           -       -        -    -         -', '',
    ]);
    expect(code).toBe(0);
  });

  it('shows shadows in a column of their own, and how far they are behind', async () => {
    const shadowStatus = { device: 'd2', state: 'following', checkpoint: 7, lagMs: 180, stateBytes: 5 };
    routes['GET /v1/threads'] = page([{ ...THREAD, shadowStatus }, { ...THREAD, thread: 't2', shadowStatus: { ...shadowStatus, state: 'cut-off', lagMs: 4_200 } }, { ...THREAD, thread: 't3', shadowStatus: null }]);
    const lines = (await godwit('ps')).out.split('\n');
    expect(lines[0]).toContain('SHADOW');
    expect(lines[1]).toContain('d2, 180 ms behind ');
    expect(lines[2]).toContain('d2, 4.2 s behind (cut off)');
  });

  it('gives the same as JSON, with --json before or behind the command', async () => {
    routes['GET /v1/threads'] = page([THREAD]);
    expect(JSON.parse((await godwit('ps', '--json')).out)).toEqual([THREAD]);
    expect(JSON.parse((await godwit('--json', 'ps')).out)).toEqual([THREAD]);
  });

  it('dims headings in a terminal, unless NO_COLOR says otherwise', async () => {
    routes['GET /v1/threads'] = page([THREAD]);
    expect((await godwitIn({ isTty: true }, 'ps')).out).toContain('\u001b[2mTHREAD');
    expect((await godwitIn({ isTty: true, env: { GODWIT_URL: url, NO_COLOR: '1' } }, 'ps')).out).not.toContain('\u001b');
  });

  it('lists devices with load and the worst of their forecasts', async () => {
    const forecast = (resource: string, riskRatio: number, overloadInMs?: number): object => ({ resource, unit: 'cores', issuedAtMs: 0, demandNow: 1, riskRatio, ...(overloadInMs === undefined ? {} : { overloadInMs }) });
    routes['GET /v1/devices'] = page([{ device: 'd1', kind: 'cpu', cpuCores: 0.6, memoryBytes: 2 ** 30, threads: ['a', 'b'], samples: { values: { 'cpu.cores': 0.5, 'memory.bytes': 5e8 } }, forecasts: [forecast('memory', 0.1), forecast('cpu', 0.83, 42_000)] }]);
    expect((await godwit('devices')).out).toBe('DEVICE  KIND       CORES            MEMORY  THREADS  RISK  FULL IN\nd1      cpu   0.5 of 0.6  477 MiB of 1 GiB        2  83 %     42 s\n');
  });

  it.each([
    [problem(404, 'not-found', 'no such thread'), 3], [problem(409, 'refused-by-policy', 'cooling down'), 4], [problem(403, 'forbidden', 'no'), 4], [problem(504, 'timeout', 'late'), 5],
    [problem(409, 'conflict', 'other'), 1], [{ status: 200, body: 'x' }, 0],
  ])('ends with the exit code of the answer %#', async (reply, code) => {
    routes['POST /v1/migrations'] = code === 0 ? { status: 202, body: { migration: 'm-1' } } : reply;
    const result = await godwit('migrate', 'counter', 'd2');
    expect(result.code).toBe(code);
    if (code !== 0) expect(result.err).toBe(`godwit: ${(reply.body as { detail: string }).detail}\n        Do otherwise.\n`);
  });

  it('says what to do when nothing answers', async () => {
    const { code, err } = await godwit('--url', 'http://127.0.0.1:1', 'ps');
    expect(code).toBe(1);
    expect(err).toMatch(/^godwit: no answer from http:\/\/127.0.0.1:1: [^\n]+\n {8}Start Godwit/);
  });

  it.each([
    [['nonsense']], [['migrate', 'counter']], [['migrate', 'counter', 'D.2']], [['ps', '--watch', '0']], [['outputs', 't', '--after', '-1']], [['outputs', 't', '--after', '1', '--last', '1']],
    [['input', 't', 'text', '--end']], [['decisions', '--limit', '0']],
  ])('%j is refused as usage, and nothing is asked', async (args) => {
    const { code, err, out } = await godwit(...args);
    expect([code, out, asked]).toEqual([2, '', []]);
    expect(err).not.toBe('');
  });

  it('shows help with the exit codes and ends well', async () => {
    const { code, out } = await godwit('--help');
    expect(code).toBe(0);
    for (const word of ['run', 'ps', 'devices', 'migrate', 'why', 'decisions', 'migrations', 'forecast', 'outputs', 'input', 'GODWIT_URL', '4 refused by policy']) expect(out).toContain(word);
  });

  it('shows the phases of a migration as they pass', async () => {
    routes['POST /v1/migrations'] = { status: 202, body: { migration: 'm-1' } };
    routes['GET /v1/migrations/stream'] = { events: [{ ...status('planned', 0), migration: 'm-0' }, status('planned', 0), status('reserved', 120), status('reserved', 130), status('frozen', 900, { sizeBytes: 2 ** 21 }), status('retired', 1_500, { outcome: 'committed', freezeMs: 31 })] };
    const { code, out } = await godwit('migrate', 'counter', 'd2', '--wait');
    expect(out.split('\n')).toEqual(['m-1: counter → d2', '      0 ms  planned', '    120 ms  reserved', '    900 ms  frozen  2 MiB', '     1.5 s  retired  frozen for 31 ms', '']);
    expect(code).toBe(0);
  });

  it('fails when the migration was rolled back, and times out when it does not end', async () => {
    routes['POST /v1/migrations'] = { status: 202, body: { migration: 'm-1' } };
    routes['GET /v1/migrations/stream'] = { events: [status('rolled-back', 10, { outcome: 'rolled-back', failureReason: 'digest differs' })] };
    expect(await godwit('migrate', 'counter', 'd2', '--wait')).toMatchObject({ code: 1, err: 'godwit: rolled-back: digest differs\n' });
    routes['GET /v1/migrations/stream'] = { events: [status('planned', 0)] };
    expect(await godwit('migrate', 'counter', 'd2', '--wait', '--timeout', '0.2')).toMatchObject({ code: 5 });
  });

  it('explains decisions', async () => {
    routes['GET /v1/threads/counter'] = { body: THREAD };
    routes['GET /v1/decisions'] = page([{
      decision: 'dc-1', thread: 'counter', atMs: 0, action: 'migrate', trigger: 'risk', source: 'd1', target: 'd2', reason: 'd1 passes its capacity', expectedGainCoreSeconds: 4.25, costCoreSeconds: 0.5,
      overloadInMs: 12_300, riskRatio: 0.9, candidates: [
        { device: 'd3', verdicts: [{ plugin: 'memory', refusal: 'too small' }] },
        { device: 'd2', score: 0.71, overloadCoreSeconds: 0, verdicts: [{ plugin: 'headroom', score: 0.8, weight: 2 }, { plugin: 'price', score: 0.5, weight: 1 }] },
      ], settlement: { decision: 'dc-1', thread: 'counter', settledAtMs: 1, expectedGainCoreSeconds: 4.25, realisedGainCoreSeconds: 3.9, verdict: 'helped', note: '' },
    }]);
    const { out } = await godwit('why', 'counter');
    expect(out.split('\n').slice(1)).toEqual([
      '  d1 passes its capacity', '  trigger risk, risk 90 %, full in 12.3 s, expected gain 4.25 core s at a cost of 0.5',
      '  CANDIDATE  SCORE  OVERLOAD  BECAUSE', '  d2          0.71  0 core s  headroom 0.8 × 2, price 0.5 × 1', '  d3             -         -  refused by memory: too small',
      '  settlement: helped: expected 4.25, realised 3.9 core s', '',
    ]);
    expect(asked.at(-1)!.url).toBe('/v1/decisions?thread=counter&limit=3');
  });

  it('finds the forecast of a thread when no device has that name', async () => {
    routes['GET /v1/forecasts/threads/counter'] = { body: { items: [{ id: 'counter', resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 60_000, stepMs: 1_000, levels: [0.1, 0.5, 0.9], values: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], models: [], demandNow: 0.2, riskRatio: 0.05, observations: 9 }] } };
    expect((await godwit('forecast', 'counter')).out).toBe('cpu.demand_cores: now 0.2 cores, risk 5 %, issued 1 s ago\n IN  P10  P50  P90\n1 s  0.1  0.2  0.3\n2 s  0.4  0.5  0.6\n');
    expect((await godwit('forecast', 'nobody')).code).toBe(3);
  });
  it('shows the phase of a thread and what comes next, how it performs, and why a device may fail', async () => {
    const base = { resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 60_000, stepMs: 1_000, levels: [0.5], values: [0.1], models: [], demandNow: 0.2, observations: 9 };
    routes['GET /v1/forecasts/threads/counter'] = { body: { items: [{
      ...base, id: 'counter', phase: { phase: 1, label: 'loop:solve/4', probabilityRatio: 0.99, count: 3, ageMs: 12_000, next: { phase: 0, label: 'idle', probabilityRatio: 0.8, inMsP10: 5_000, inMsP50: 8_000 } },
      performance: [{ device: 'd1', utilisationRatio: 0.5, latencyMsP50: 4, latencyMsP99: 12.5, throughputPerSecond: 200, basis: 'device', readings: 40 }],
    }] } };
    const { out } = await godwit('forecast', 'counter');
    expect(out).toContain('phase 1 of 3: loop:solve/4 (99 %) for 12 s; next 0: idle (80 %) in 8 s (5 s to -)\n');
    expect(out).toContain('on d1 at 50 %: p50 4 ms, p99 13 ms, up to 200 records/s (known from its history there)\n');
    routes['GET /v1/forecasts/devices/d1'] = { body: { items: [{ ...base, id: 'd1', capacity: 1, riskRatio: 0.6, overloadInMs: 9_000, overloadInMsP10: 4_000, overloadInMsP90: 20_000, failureRatio: 0.7, failureCauses: [{ cause: 'temperature', probabilityRatio: 0.7, detail: 'temperature: 4 °C below critical' }] }] } };
    const device = (await godwit('forecast', 'd1')).out;
    expect(device).toContain('full in 9 s (4 s to 20 s), failure 70 %');
    expect(device).toContain('may fail (70 %) for temperature: temperature: 4 °C below critical\n');
  });

  it('prints outputs as they are, one message on a line, and follows until the thread ends', async () => {
    const output = (n: number, text: string, exit?: object): object => ({ n, messages: [{ kind: '', payload: Buffer.from(text).toString('base64') }], ...(exit ? { exit } : {}) });
    routes['GET /v1/threads/counter/outputs'] = { body: { items: [output(1, 'one\n'), output(2, 'two')], next: 2, end: true } };
    expect((await godwit('outputs', 'counter', '--limit', '2')).out).toBe('one\ntwo\n');
    routes['GET /v1/threads/counter/outputs/stream'] = { events: [output(1, 'a'), output(2, 'b', { code: 0 })] };
    expect((await godwit('outputs', 'counter', '--follow', '--after', '0')).out).toBe('a\nb\n');
  });

  it('ends following when the thread’s program has failed', async () => {
    routes['GET /v1/threads/counter/outputs/stream'] = { events: [{ n: 1, messages: [{ kind: '', payload: 'YQ==' }] }] };
    routes['GET /v1/threads/counter'] = { body: { ...THREAD, state: 'faulted', fault: { code: 'thread-fault', reason: 'trap: unreachable', atMs: 1 } } };
    expect(await godwit('outputs', 'counter', '--follow')).toEqual({ code: 1, out: 'a\n', err: 'godwit: counter failed: trap: unreachable\n        `godwit why counter` tells more.\n' });
  });

  it('asks a thread and prints its answer, or nothing where there is none', async () => {
    routes['POST /v1/threads/counter/requests'] = { body: { requestId: 'r', seq: 7, duplicate: false, answer: { n: 3, messages: [{ kind: '', payload: 'Zm91cg==' }] } } };
    expect((await godwit('request', 'counter', '2+2', '--request-id', 'r', '--timeout', '500')).out).toBe('four\n');
    expect([asked.at(-1)!.url, JSON.parse(asked.at(-1)!.body)]).toEqual(['/v1/threads/counter/requests?timeoutMs=500', { requestId: 'r', messages: [{ kind: '', payload: 'Misy' }] }]);
    routes['POST /v1/threads/counter/requests'] = { body: { requestId: 'r', seq: 8, duplicate: false, answer: null } };
    expect((await godwit('request', 'counter', 'x')).out).toBe('');
  });

  it('gives input from the command line or from stdin', async () => {
    routes['POST /v1/threads/counter/inputs'] = { status: 201, body: { requestId: 'r', seq: 7, duplicate: false } };
    expect((await godwit('input', 'counter', 'hé', '--kind', 'k', '--request-id', 'r')).out).toBe('r appended at 7\n');
    await godwit('input', 'counter');
    await godwit('input', 'counter', '--end');
    const sent = asked.map(({ body }) => JSON.parse(body) as { messages?: { payload: string }[] });
    expect(sent).toEqual([{ requestId: 'r', messages: [{ kind: 'k', payload: Buffer.from('hé').toString('base64') }] }, { messages: [{ kind: '', payload: Buffer.from('from stdin').toString('base64') }] }, { end: true }]);
  });

  it('runs a file: uploads, registers what is missing, gives the input once, follows', async () => {
    await writeFile(join(folder, 'Word Count.mjs'), 'export default 1');
    await writeFile(join(folder, 'in.txt'), 'a\nb\n');
    const sha256 = 'c'.repeat(64);
    routes = {
      'POST /v1/programs': { status: 201, body: { sha256, sizeBytes: 16 } }, 'GET /v1/applications': page([]), 'POST /v1/applications': { status: 201, body: {} }, 'POST /v1/threads': { status: 201, body: {} },
      'POST /v1/threads/word-count/inputs': { status: 201, body: {} }, 'GET /v1/threads/word-count': { body: { ...THREAD, thread: 'word-count' } }, 'GET /v1/threads/producer': { body: { ...THREAD, application: 'demo', shard: 's1' } },
      'GET /v1/threads/word-count/outputs/stream': { events: [{ n: 1, messages: [{ kind: '', payload: 'Mg==' }], exit: { code: 3 } }] },
    };
    const { code, out, err } = await godwit('run', join(folder, 'Word Count.mjs'), '--subscribe', 'producer', '--device', 'd1', '--args', 'x', 'y', '--memory', '8', '--stdin', join(folder, 'in.txt'), '--follow');
    expect([code, out]).toEqual([1, '2\n']);
    expect(err).toContain('word-count: registered in demo, program cccccccccccc, 4 bytes of input\nword-count: runs on d1\n');
    const bodies = Object.fromEntries(asked.filter(({ type }) => type === 'application/json').map(({ url: path, body }) => [path, JSON.parse(body)]));
    expect(bodies['/v1/threads']).toEqual({
      thread: 'word-count', application: 'demo', shard: 's1', runtime: 'task', programSha256: sha256, deterministic: true, subscribes: ['producer'], affinity: { devices: ['d1'] }, args: ['x', 'y'], limits: { memoryBytes: 8 * 1024 * 1024 },
    });
    const inputs = asked.filter(({ url: path }) => path.endsWith('/inputs'));
    expect(inputs.map(({ type, body }) => [type, type === 'application/json' ? 'end' : body])).toEqual([['application/octet-stream', 'a\nb\n'], ['application/json', 'end']]);
    expect(inputs[0]!.key).toMatch(/^stdin-[0-9a-f]{16}-1$/);
    expect(JSON.parse(inputs[1]!.body)).toEqual({ end: true, requestId: inputs[0]!.key!.replace(/-1$/, '-end') });
    expect(asked[1]).toMatchObject({ url: '/v1/programs', type: 'text/javascript', body: 'export default 1' });
  });

  it('runs an executable as a process, which promises no equal replay, and refuses what it does not know', async () => {
    await writeFile(join(folder, 'count.sh'), '#!/bin/sh\ncat\n');
    await writeFile(join(folder, 'notes.txt'), 'no program');
    routes = { 'POST /v1/programs': { body: { sha256: 'c'.repeat(64) } }, 'GET /v1/applications': page([{ application: 'count', threads: [] }]), 'POST /v1/threads': { status: 201, body: {} }, 'GET /v1/threads/count': { body: THREAD } };
    expect(await godwit('run', join(folder, 'count.sh'))).toMatchObject({ code: 0 });
    expect(asked[0]).toMatchObject({ url: '/v1/programs', type: 'application/x-executable' });
    expect(JSON.parse(asked.find(({ url: path }) => path === '/v1/threads')!.body)).toMatchObject({ runtime: 'process', deterministic: false });
    const before = asked.length;
    expect(await godwit('run', join(folder, 'notes.txt'))).toMatchObject({ code: 2, err: expect.stringContaining('is expected') as unknown });
    expect(asked).toHaveLength(before);
  });

  it('does not touch an application that is there', async () => {
    await writeFile(join(folder, 'a.wasm'), 'x');
    routes = { 'POST /v1/programs': { body: { sha256: 'c'.repeat(64) } }, 'GET /v1/applications': page([{ application: 'mine', threads: [] }]), 'POST /v1/threads': { status: 201, body: {} }, 'GET /v1/threads/a': { body: THREAD } };
    expect(await godwit('run', join(folder, 'a.wasm'), '--app', 'mine')).toMatchObject({ code: 0, out: 'a: registered in mine, program cccccccccccc\na: runs on d1\n' });
    expect(asked.map(({ method, url: path }) => `${method} ${path.split('?')[0]}`)).not.toContain('POST /v1/applications');
    expect((await godwit('run', join(folder, 'missing.wasm'))).code).toBe(3);
  });

  it('finds the gateway of this folder', async () => {
    expect(await findUrl(undefined, {}, folder)).toBe('http://127.0.0.1:4600');
    await mkdir(join(folder, '.godwit', 'data'), { recursive: true });
    await writeFile(join(folder, '.godwit', 'data', 'endpoint.json'), '{"url":"http://127.0.0.1:9"}');
    expect(await findUrl(undefined, {}, folder)).toBe('http://127.0.0.1:9');
    expect(await findUrl(undefined, { GODWIT_URL: 'http://env' }, folder)).toBe('http://env');
    expect(await findUrl('http://option', { GODWIT_URL: 'http://env' }, folder)).toBe('http://option');
  });
});
