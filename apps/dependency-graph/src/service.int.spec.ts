import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { applicationId, deviceId, isRefusal, threadId } from '@godwit/kernel';
import { connectNats, ensureStreams, type NatsLink } from '@godwit/nats';
import type { RegistryEvent } from '@godwit/registry';
import { call, createLog, NatsStrategy, systemClock } from '@godwit/shell';
import { startTestNats, type TestNats } from '@godwit/testing';
import { decodeEvent, encodeEvent, eventId, graphAnswerCodec, graphCodec, graphQueryCodec, STREAMS, SUBJECTS, traceBatchCodec, verdictCodec, type GraphMessage } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';
import { GraphController } from './graph.controller.js';
import { GraphKeeper } from './graph-keeper.js';
import { openGraphService, type GraphService } from './service.js';

const WITHIN_MS = 10_000;
const device = deviceId('d1');
const log = createLog('spec', 'silent');

describe('the dependency graph on NATS', () => {
  let server: TestNats;
  let link: NatsLink;
  let service: GraphService;
  let app: Awaited<ReturnType<typeof NestFactory.createMicroservice>>;
  beforeAll(async () => {
    server = await startTestNats();
    link = await connectNats({ url: server.url, name: 'spec' });
    await ensureStreams(link, { replicas: 1, registrySubjects: STREAMS.registry.subjects });
    await accept({ event: 'application-registered', spec: { application: applicationId('app'), description: '', goals: {} } });
    await accept(thread('a', []));
    await accept(thread('b', ['a']));
    await accept(thread('c', []));
    service = await openGraphService({ nats: link.nc, log, clock: systemClock });
    class Root {}
    Module({ providers: [{ provide: GraphKeeper, useValue: service.keeper }], controllers: [GraphController] })(Root);
    app = await NestFactory.createMicroservice(Root, { strategy: new NatsStrategy(link.nc, log), logger: false });
    await app.listen();
    await link.nc.flush();
  }, 60_000);
  afterAll(async () => {
    await app.close();
    await service.close();
    await link.close();
    await server[Symbol.asyncDispose]();
  }, 60_000);

  const thread = (name: string, subscribes: readonly string[]): RegistryEvent => {
    const json = new TextEncoder().encode(JSON.stringify({ thread: name, application: 'app', runtime: 'task', programSha256: 'a'.repeat(64), subscribes }));
    const event = decodeEvent('thread-registered', json, { json: true });
    if (isRefusal(event)) throw new Error(event.reason);
    return event;
  };
  const accept = async (event: RegistryEvent): Promise<void> => {
    const js = jetstream(link.nc);
    const { seq } = await js.publish(SUBJECTS.registryEvent(event.event, eventId(event)), encodeEvent(event));
    await js.publish(SUBJECTS.registryVerdict(seq), verdictCodec.encode({ eventSeq: seq, event: event.event, id: eventId(event), accepted: true, code: '', field: '', reason: '' }));
  };
  async function published(fits: (graph: GraphMessage) => boolean): Promise<GraphMessage> {
    const subscription = link.nc.subscribe(SUBJECTS.graph, { timeout: WITHIN_MS });
    try {
      for await (const { data } of subscription) {
        const graph = graphCodec.decode(data);
        if (!isRefusal(graph) && fits(graph)) return graph;
      }
      throw new Error('no such graph was published');
    } finally {
      subscription.unsubscribe();
    }
  }
  const ask = (name: string) => call(link.nc, { subject: SUBJECTS.graphQuery, request: graphQueryCodec, reply: graphAnswerCodec, timeoutMs: 2_000 }, { thread: name });

  it('publishes declared and traced edges, past malformed messages', async () => {
    link.nc.publish(SUBJECTS.trace(device), Uint8Array.of(255, 255));
    link.nc.publish(SUBJECTS.metrics(device), Uint8Array.of(255, 255));
    link.nc.publish(SUBJECTS.trace(device), traceBatchCodec.encode({ device, atMs: 1, spanMs: 1, threads: [], edges: [{ producer: threadId('b'), consumer: threadId('c'), records: 5, sizeBytes: 50 }] }));
    const graph = await published(({ edges }) => edges.length === 2);
    expect(graph.edges.map(({ producer, consumer, declared }) => [producer, consumer, declared])).toEqual([['a', 'b', true], ['b', 'c', false]]);
    expect(service.keeper.malformed.count).toBe(2);
    expect(await service.metrics.metrics()).toContain('godwit_graph_edges 2');
  });

  it('answers queries, and refuses what it does not know or understand', async () => {
    expect(await ask('a')).toMatchObject({ dependents: ['b', 'c'], criticalPath: ['a', 'b', 'c'] });
    expect(await ask('nobody')).toMatchObject({ refused: true, code: 'not-found', field: 'thread' });
    const rubbish = await link.nc.request(SUBJECTS.graphQuery, Uint8Array.of(255, 255), { timeout: 2_000 });
    expect(rubbish.headers?.get('Godwit-Code')).toBe('malformed-message');
    expect(await ask('')).toMatchObject({ dependents: [], criticalPath: ['a', 'b', 'c'] });
  });

  it('follows the registry while it runs', async () => {
    await accept({ event: 'thread-removed', id: threadId('c') });
    expect((await published(({ edges }) => edges.length === 1)).edges[0]).toMatchObject({ producer: 'a', consumer: 'b' });
  });
});
