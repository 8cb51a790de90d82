import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isRefusal } from '@godwit/kernel';
import { queryPrometheus, type RangeQuery } from './index.js';

/** As Prometheus 2.53 answered a range query, shortened. */
const RECORDED = '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"localhost:9090","job":"prometheus"},"values":[[1435781430.781,"1"],[1435781445.781,"1"],[1435781460.781,"NaN"]]},{"metric":{"__name__":"up","instance":"localhost:9091","job":"node"},"values":[[1435781430.781,"0"],[1435781445.781,"0.25"]]}]}}';
const REFUSED = '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": 1:4: parse error: unclosed left parenthesis"}';

describe('a Prometheus server', () => {
  let server: Server;
  let url: string;
  let answer: { status: number; body: string } | 'silence';
  let asked: { path: string; parameters: Record<string, string>; authorization: string | undefined }[];

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://x');
      asked.push({ path: pathname, parameters: Object.fromEntries(searchParams), authorization: request.headers.authorization });
      if (answer !== 'silence') response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  });
  beforeEach(() => {
    asked = [];
    answer = { status: 200, body: RECORDED };
  });
  const query = (options: Partial<RangeQuery> = {}) => queryPrometheus({ url, query: 'up', nowMs: 1_435_781_460_000, ...options });

  it('gives a series for each set of labels', async () => {
    expect(await query()).toEqual([
      { entity: 'instance=localhost:9090,job=prometheus', column: 'up', timesMs: Float64Array.of(1_435_781_430_781, 1_435_781_445_781, 1_435_781_460_781), values: Float64Array.of(1, 1, NaN) },
      { entity: 'instance=localhost:9091,job=node', column: 'up', timesMs: Float64Array.of(1_435_781_430_781, 1_435_781_445_781), values: Float64Array.of(0, 0.25) },
    ]);
  });
  it('is asked for the last hour, unless told otherwise', async () => {
    await query();
    await query({ start: '2015-07-01T20:00:00Z', end: '1435781460', stepSeconds: 15, token: 'secret' });
    expect(asked).toEqual([
      { path: '/api/v1/query_range', parameters: { query: 'up', start: '1435777860', end: '1435781460', step: '1' }, authorization: undefined },
      { path: '/api/v1/query_range', parameters: { query: 'up', start: '1435780800', end: '1435781460', step: '15' }, authorization: 'Bearer secret' },
    ]);
  });
  it('takes a whole URL, behind a folder too', async () => {
    await queryPrometheus({ url: `${url}/monitoring/api/v1/query_range?query=rate(x[1m])&start=0&end=600&step=1m`, nowMs: 0 });
    expect(asked).toEqual([{ path: '/monitoring/api/v1/query_range', parameters: { query: 'rate(x[1m])', start: '0', end: '600', step: '60' }, authorization: undefined }]);
  });
  it('is asked in parts for more points than it answers at once, and the parts are joined', async () => {
    const series = await query({ start: '0', end: '25000', stepSeconds: 1 });
    expect(asked.map(({ parameters }) => [parameters['start'], parameters['end']])).toEqual([['0', '10999'], ['11000', '21999'], ['22000', '25000']]);
    expect(isRefusal(series) ? series : series[0]!.values).toHaveLength(9);
  });
  it.each([
    ['query', { query: '' }], ['start', { start: 'yesterday' }], ['end', { end: 'noon' }], ['start', { start: '5', end: '5' }], ['step', { stepSeconds: -1 }], ['step', { start: '0', end: '99999999', stepSeconds: 1 }], ['url', { url: 'http://' }],
  ])('is not asked when %s is wrong', async (field, options) => {
    expect(await query(options)).toMatchObject({ refused: true, field });
    expect(asked).toEqual([]);
  });
  it.each([
    ['its own words for a bad query', { status: 400, body: REFUSED }, 'bad_data: invalid parameter "query"'], ['a page of something else', { status: 404, body: '<html>' }, 'HTTP 404'],
    ['a vector', { status: 200, body: '{"status":"success","data":{"resultType":"vector","result":[]}}' }, 'a matrix was expected'],
    ['points of another form', { status: 200, body: '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[["1","1"]]}]}}' }, 'data.result[0]'],
    ['no series', { status: 200, body: '{"status":"success","data":{"resultType":"matrix","result":[]}}' }, 'up has no series between'],
  ])('is refused with %s', async (_what, given, reason) => {
    answer = given;
    expect(await query()).toMatchObject({ refused: true, reason: expect.stringContaining(reason) });
  });
  it('is refused when it is silent or not there', async () => {
    answer = 'silence';
    expect(await query({ timeoutMs: 50 })).toMatchObject({ code: 'timeout' });
    const closed = createServer();
    await new Promise<void>((resolve) => { closed.listen(0, '127.0.0.1', resolve); });
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => { closed.close(resolve); });
    expect(await query({ url: `http://127.0.0.1:${port}` })).toMatchObject({ code: 'connection-lost', reason: expect.stringContaining('ECONNREFUSED') });
  });
});
