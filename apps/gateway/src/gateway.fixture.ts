/** For specs: a gateway on a real broker, with a small controller that gives verdicts and answers requests to migrate. */
import { deviceId, isRefusal, threadId, type Refusal, type ShardId } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import { connectNats, ensureStreams, natsJournal, openLocalLog, openPrograms, type NatsLink } from '@godwit/nats';
import { applyEvent, EMPTY_REGISTRY, type Registry } from '@godwit/registry';
import { createLog } from '@godwit/shell';
import { startTestNats, temporaryFolder, type TestNats } from '@godwit/testing';
import { decodeEvent, migrateReplyCodec, migrateRequestCodec, refusalToHeaders, STREAMS, SUBJECTS, verdictCodec } from '@godwit/wire';
import { DeliverPolicy, jetstream, type ConsumerMessages } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { join } from 'node:path';
import { startGateway, type Gateway } from './gateway.js';
import type { Tokens } from './http/access.js';

export interface TestGateway extends AsyncDisposable {
  readonly nats: TestNats;
  readonly link: NatsLink;
  readonly journal: Journal;
  readonly gateway: Gateway;
  /** JSON request; `body` may be text, to send what is no JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A device, an application `app` and a thread `t1` of it. */
  registerThread(): Promise<void>;
}
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: any;
}
export const PROGRAM = 'ab'.repeat(32);
export const device = (id: string): object => ({ device: id, cpuCores: 1, memoryBytes: 2 ** 30 });
export const thread = (id: string): object => ({ thread: id, application: 'app', runtime: 'wasm', programSha256: PROGRAM });

export async function startTestGateway(options: { tokens?: Tokens; verdictMs?: number; controller?: boolean; heartbeatMs?: number } = {}): Promise<TestGateway> {
  const nats = await startTestNats();
  const folder = await temporaryFolder('gateway');
  const link = await connectNats({ url: nats.url, name: 'spec' });
  await ensureStreams(link, { replicas: 1, registrySubjects: STREAMS.registry.subjects });
  const stopController = options.controller === false ? async () => undefined : await fakeController(link);
  const journal = natsJournal(link);
  const gateway = await startGateway({
    link, journal, programs: await openPrograms(link), localLog: await openLocalLog({ path: join(folder.path, 'told.log') }),
    log: createLog('spec', 'silent'), host: '127.0.0.1', port: 0, ...options,
  });
  const ask: TestGateway['ask'] = async (method, path, body, extra = {}) => {
    const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const response = await fetch(`${gateway.url}${path}`, { method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...extra }, ...(body === undefined ? {} : { body: sent as string }) });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined };
  };
  return {
    nats, link, journal, gateway, ask,
    async registerThread() {
      for (const [path, body] of [['devices', device('d1')], ['applications', { application: 'app' }], ['threads', thread('t1')]] as const) {
        const { status, text } = await ask('POST', `/v1/${path}`, body);
        if (status !== 201) throw new Error(`${path}: ${status} ${text}`);
      }
    },
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await stopController();
      await link.close();
      await nats[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

/** Folds the registry as the real one does and appends a verdict on each event; plans every migration to `d1`. */
async function fakeController(link: NatsLink): Promise<() => Promise<void>> {
  const js = jetstream(link.nc);
  const consumer = await js.consumers.get(STREAMS.registry.name, { filter_subjects: STREAMS.registry.subjects.filter((subject) => !subject.includes('verdict')), deliver_policy: DeliverPolicy.All });
  const messages: ConsumerMessages = await consumer.consume();
  const judge = async (): Promise<void> => {
    let registry: Registry = EMPTY_REGISTRY;
    for await (const message of messages) {
      const [, , event = '', id = ''] = message.subject.split('.');
      const decoded = decodeEvent(event, message.data, { json: message.headers?.get('Content-Type') === 'application/json', subjectId: id });
      const next: Registry | Refusal = isRefusal(decoded) ? decoded : applyEvent(registry, decoded);
      const refusal = isRefusal(next) ? next : undefined;
      if (!isRefusal(next)) registry = next;
      await js.publish(SUBJECTS.registryVerdict(message.seq), verdictCodec.encode({
        eventSeq: message.seq, event, id, accepted: !refusal, code: refusal?.code ?? '', field: refusal?.field ?? '', reason: refusal?.reason ?? '',
      }));
    }
  };
  const judging = judge();
  link.nc.subscribe(SUBJECTS.migrate, {
    callback: (_error, message) => {
      const request = migrateRequestCodec.decode(message.data);
      const refusal: Refusal | undefined = isRefusal(request) ? request
        : request.target === deviceId('d1') ? undefined : { refused: true, code: 'refused-by-policy', reason: `${request.target} is draining`, field: 'target' };
      const reply = headers();
      if (refusal) refusalToHeaders(refusal, (name, value) => reply.set(name, value));
      message.respond(refusal ? undefined : migrateReplyCodec.encode({ migration: 'm-1' }), { headers: reply });
    },
  });
  return async () => {
    await messages.close();
    await judging;
  };
}

/** Gives the thread an owner and so many outputs, `text` N each. */
export async function produce(journal: Journal, shard: string, id: string, texts: readonly string[], options: { ownSeq?: number; from?: number } = {}): Promise<number> {
  const at = { shard: shard as ShardId, thread: threadId(id) };
  await journal.ensureShard(at.shard);
  let ownSeq = options.ownSeq;
  if (ownSeq === undefined) {
    const own = await journal.appendOwn(at, 0, { epoch: 1, device: deviceId('d1'), reason: 'placed', checkpoint: 0, note: 'spec' });
    if (own.result !== 'appended') throw new Error('the thread has an owner already');
    ownSeq = own.own.seq;
  }
  const appender = journal.fencedAppender(at, { epoch: 1, ownSeq });
  const first = options.from ?? 1;
  const appended = await appender.appendOutputs(texts.map((text, i) => ({
    n: first + i, causedBySeq: 0, originMs: 0, messages: [{ kind: 'line', payload: Buffer.from(text) }], hash: String(first + i).padStart(64, '0') as never,
  })));
  appender.close();
  if (appended.result !== 'appended') throw new Error(`outputs: ${appended.result}`);
  return ownSeq;
}

/** Resolves when `holds` does; asks anew every 20 ms. @throws Error that names `what` after `limitMs`. */
export async function until(what: string, limitMs: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

export interface SseEvent { readonly id: string; readonly event: string; readonly data: any }

/** Events of a stream until `count` have come. @throws Error when they do not within `limitMs`. */
export async function events(url: string, count: number, headersOf: Record<string, string> = {}, limitMs = 8_000): Promise<{ events: SseEvent[]; comments: string[] }> {
  const response = await fetch(url, { headers: headersOf, signal: AbortSignal.timeout(limitMs) });
  if (response.status !== 200 || !response.body) throw new Error(`${response.status} ${await response.text()}`);
  const found: SseEvent[] = [];
  const comments: string[] = [];
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const field = (name: string): string => block.split('\n').find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      if (block.startsWith(':')) comments.push(block.slice(2));
      else if (field('data') !== '') found.push({ id: field('id'), event: field('event'), data: JSON.parse(field('data')) });
    }
    if (found.length >= count) break;
  }
  return { events: found.slice(0, count), comments };
}
