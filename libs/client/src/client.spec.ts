import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { GodwitClient, GodwitError } from './index.js';

const PROBLEM = { type: 'urn:godwit:problem:refused-by-policy', title: 't', status: 409, detail: 'cooling down', code: 'refused-by-policy', remedy: 'wait', field: 'thread' };

describe('the client', () => {
  let server: Server;
  const requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];
  async function serving(answer: (request: IncomingMessage, response: ServerResponse, nth: number) => void): Promise<string> {
    requests.length = 0;
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => { body += chunk; }).on('end', () => {
        requests.push({ method: request.method!, url: request.url!, headers: request.headers, body });
        answer(request, response, requests.length);
      });
    });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  });
  const caught = async (attempt: Promise<unknown>): Promise<GodwitError> => attempt.then(() => { throw new Error('no error'); }, (error: GodwitError) => error);

  it('sends tokens, ids as path segments and only the query that was given', async () => {
    const client = new GodwitClient({ url: await serving((_request, response) => { response.end('{"items":[],"next":0,"end":true}'); }), token: 'secret' });
    await client.outputs('a/../b', { after: 3 });
    expect(requests[0]).toMatchObject({ method: 'GET', url: '/v1/threads/a%2F..%2Fb/outputs?after=3', headers: { authorization: 'Bearer secret' } });
    expect(requests[0]!.headers).not.toHaveProperty('content-type');
  });

  it('rejects with the problem details of the gateway', async () => {
    const client = new GodwitClient({ url: await serving((_request, response) => { response.writeHead(409).end(JSON.stringify(PROBLEM)); }) });
    const error = await caught(client.migrate('t', 'd'));
    expect(error).toBeInstanceOf(GodwitError);
    expect(error).toMatchObject({ code: 'refused-by-policy', status: 409, field: 'thread', remedy: 'wait', message: 'cooling down' });
    expect(JSON.parse(requests[0]!.body)).toEqual({ thread: 't', target: 'd', note: '' });
  });

  it('says so when the answer is not Godwit’s, or when there is none', async () => {
    const url = await serving((_request, response) => { response.end('<html>'); });
    expect(await caught(new GodwitClient({ url }).devices())).toMatchObject({ code: 'malformed-message' });
    expect(await caught(new GodwitClient({ url: 'http://127.0.0.1:1' }).devices())).toMatchObject({ code: 'connection-lost', status: 0 });
  });

  it('takes all pages', async () => {
    const url = await serving((request, response) => { response.end(JSON.stringify(request.url!.includes('after=b') ? { items: ['c'], next: null } : { items: ['a', 'b'], next: 'b' })); });
    const client = new GodwitClient({ url });
    const items: unknown[] = [];
    for await (const item of client.all((page) => client.threads(page))) items.push(item);
    expect(items).toEqual(['a', 'b', 'c']);
  });

  it('takes a stream up behind the last event when the connection breaks', async () => {
    const url = await serving((_request, response, nth) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (nth === 1) {
        response.write('id: 1\ndata: {"n":1}\n\nid: 2\ndata: {"n":2}\n\nid: 3\ndata: {"n"', () => response.destroy());
      } else response.write('id: 3\ndata: {"n":3}\n\n');
    });
    const seen: number[] = [];
    for await (const { n } of new GodwitClient({ url }).followOutputs('t')) {
      seen.push(n);
      if (n === 3) break;
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(requests.map((request) => request.url)).toEqual(['/v1/threads/t/outputs/stream?after=0', '/v1/threads/t/outputs/stream?after=2']);
  });

  it('takes up a stream whose heartbeats have stopped', async () => {
    const url = await serving((_request, response, nth) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(nth === 1 ? ': alive\n\n' : 'id: 1\ndata: {"n":1}\n\n');
    });
    for await (const { n } of new GodwitClient({ url, timeoutMs: 100 }).followOutputs('t')) {
      expect(n).toBe(1);
      break;
    }
    expect(requests).toHaveLength(2);
  });

  it('ends a stream at a problem that will not pass, and when it is told to', async () => {
    const url = await serving((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`event: problem\ndata: ${JSON.stringify(PROBLEM)}\n\n`);
    });
    expect(await caught(new GodwitClient({ url }).followOutputs('t').next())).toMatchObject({ code: 'refused-by-policy' });
    const stop = AbortSignal.abort();
    expect(await new GodwitClient({ url }).followOutputs('t', { signal: stop }).next()).toEqual({ done: true, value: undefined });
    expect(requests).toHaveLength(1);
  });
});
