import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Terminal } from '../cli.js';
import { createProgram, runProgram } from '../program.js';

const cycle = (t: number): number => 10 + (t % 6 === 0 ? 20 : 0) + ((t * 7_919) % 13) / 13;
const csv = (steps: number): string => `entity,t,cpu\n${Array.from({ length: steps }, (_, t) => `a,${t},${cycle(t)}\n`).join('')}`;
const SHORT = ['--horizon', '6', '--warm-up', '36', '--lead', '2'];

/** A walk is a tenth of a second of computing, and minutes beside twenty other processes. */
const WALK_TIMEOUT_MS = 120_000;

describe('godwit evaluate', () => {
  let folder: string;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'godwit-evaluate-'));
    await writeFile(join(folder, 'trace.csv'), csv(100));
    await writeFile(join(folder, 'bad.csv'), csv(5).replace('a,3,', 'a,3,x'));
    server = createServer((_request, response) => {
      response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: [{ metric: { __name__: 'load', instance: 'b' }, values: Array.from({ length: 100 }, (_, t) => [t, String(cycle(t))]) }] } }));
    });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
    await rm(folder, { recursive: true });
  });

  async function godwit(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const result = { code: 0, out: '', err: '' };
    const terminal: Terminal = {
      out: (text) => { result.out += text; }, outBytes: () => {}, err: (text) => { result.err += text; }, isTty: false, env: {}, folder, nowMs: () => 61_000,
      stdin: async () => Buffer.alloc(0), interrupted: new AbortController().signal, setExitCode: (code) => { result.code = code; },
    };
    await runProgram(createProgram(terminal), ['evaluate', ...args], terminal);
    return result;
  }

  it('prints a row for every model, marks the better naive rule, and gives a verdict', async () => {
    const { code, out, err } = await godwit('trace.csv', ...SHORT, '--threshold', '25');
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^cpu: 1 series, \d+ forecasts scored/);
    expect(lines[1]).toMatch(/^MODEL +MASE +PINBALL +IN 50 % +IN 80 % +IN 95 % +RECALL +µS\/STEP$/);
    expect(lines.filter((line) => line.startsWith('combination '))).toHaveLength(1);
    expect(out.match(/\d\*/g)).toHaveLength(2);
    expect(out).toMatch(/\nverdict: the combination forecasts better than the better naive rule \(MASE 0\.\d\d × /);
  }, WALK_TIMEOUT_MS);
  it('gives the same as JSON, with more digits', async () => {
    const { out } = await godwit('trace.csv', ...SHORT, '--json');
    const report = JSON.parse(out) as { horizonSteps: number; warmUpSteps: number; tables: { column: string; rows: { model: string; mase: number }[]; verdict: { kind: string } }[] };
    expect(report).toMatchObject({ source: 'trace.csv', horizonSteps: 6, warmUpSteps: 36, tables: [{ column: 'cpu', verdict: { kind: 'better' } }] });
    expect(report.tables[0]!.rows.every(({ mase }) => mase > 0)).toBe(true);
  }, WALK_TIMEOUT_MS);
  it('judges by windows of a long recording when asked to, the same for the same seed', async () => {
    const run = async (seed: string) => JSON.parse((await godwit('trace.csv', '--horizon', '4', '--warm-up', '30', '--windows', '1', '--seed', seed, '--json')).out) as { tables: { rows: { mase: number }[] }[] };
    const masesOf = (report: Awaited<ReturnType<typeof run>>) => report.tables[0]!.rows.map(({ mase }) => mase);
    expect(masesOf(await run('1'))).toEqual(masesOf(await run('1')));
  }, WALK_TIMEOUT_MS);
  it('draws a picture', async () => {
    expect((await godwit('trace.csv', ...SHORT, '--picture', 'out.svg')).code).toBe(0);
    expect(await readFile(join(folder, 'out.svg'), 'utf8')).toMatch(/^<svg [^]*<title>a cpu<\/title>[^]*<\/svg>$/);
  }, WALK_TIMEOUT_MS);
  it('asks a Prometheus server', async () => {
    const { code, out } = await godwit(url, '--query', 'load', ...SHORT);
    expect(code).toBe(0);
    expect(out).toMatch(/^load: 1 series/);
  }, WALK_TIMEOUT_MS);
  it.each([
    [['none.csv'], 'none.csv: no such file'], [['bad.csv'], 'bad.csv: line 5: "x'], [['trace.csv', '--value', 'mem'], 'there is no column mem: the columns are entity, t, cpu'],
    [['trace.csv', '--time', 'when'], 'there is no column when'], [['trace.csv', '--warm-up', '500'], 'no series is long enough for a warm-up of 500'], [['trace.csv', '--step', '1e-9'], 'at most'],
    [['http://127.0.0.1:9'], 'no query for'], [['trace.csv', '--horizon', '0'], '1 to 4096'], [['trace.csv', '--threshold', 'high'], 'a number expected'], [['trace.csv', '--step', '-1'], 'above 0'], [['trace.csv', '--seed', 'x'], 'whole number'],
    [[], "missing required argument 'source'"], [['trace.csv', ...SHORT, '--picture', 'no/such/folder.svg'], 'no/such/folder.svg cannot be written'],
  ])('refuses %j as usage and writes nothing', async (args, reason) => {
    const before = await readdir(folder);
    const { code, out, err } = await godwit(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(reason);
    expect(await readdir(folder)).toEqual(before);
  });
});
