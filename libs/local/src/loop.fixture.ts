/** The whole of Godwit for a spec: started, spoken to by a plain NATS client, ended. The apps must be built. */
import { expect } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isRefusal, type DeviceId, type RequestId, type Sha256, type ShardId, type ThreadId } from '@godwit/kernel';
import type { Journal, OutRecord, OwnRecord, Stored, ThreadAddress } from '@godwit/journal';
import { connectNats, natsJournal, openPrograms, type NatsLink } from '@godwit/nats';
import { temporaryFolder } from '@godwit/testing';
import { agentStatusCodec, migrateReplyCodec, migrateRequestCodec, SUBJECTS, verdictCodec, type AgentStatus, type RegistryVerdict } from '@godwit/wire';
import { headers } from '@nats-io/transport-node';
import { repositoryRoot, startLocal, type LocalGodwit, type LocalOptions } from './index.js';

const run = promisify(execFile);
const SHARD = 'app' as ShardId;

/** Polls until `look` gives something. @throws Error that names what was waited for. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>, limitMs = 30_000): Promise<T> {
  for (const startedMs = Date.now(); ;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() - startedMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export class Loop implements AsyncDisposable {
  readonly verdicts: (RegistryVerdict & { subject: string })[] = [];
  private constructor(readonly local: LocalGodwit, readonly link: NatsLink, readonly journal: Journal) {}

  static async start(options: Partial<LocalOptions> = {}): Promise<Loop> {
    const local = await startLocal({ once: true, ...options });
    if (isRefusal(local)) throw new Error(local.reason);
    const link = await connectNats({ url: local.natsUrl, name: 'spec' });
    const loop = new Loop(local, link, natsJournal(link));
    link.nc.subscribe('godwit.registry.*.*', {
      callback: (_error, message) => {
        const kind = message.subject.split('.')[2];
        if (kind !== 'accepted' && kind !== 'rejected') return;
        const verdict = verdictCodec.decode(message.data);
        if (!isRefusal(verdict)) loop.verdicts.push({ ...verdict, subject: message.subject });
      },
    });
    await link.nc.flush();
    return loop;
  }

  at(thread: string): ThreadAddress {
    return { shard: SHARD, thread: thread as ThreadId };
  }

  /** Publishes a registration event as a plain client does, and waits for what is said to it. */
  async register(event: string, id: string, spec: object | Uint8Array): Promise<RegistryVerdict & { readonly subject: string }> {
    const before = this.verdicts.length;
    const json = headers();
    json.set('Content-Type', 'application/json');
    if (spec instanceof Uint8Array) this.link.nc.publish(SUBJECTS.registryEvent(event, id), spec);
    else this.link.nc.publish(SUBJECTS.registryEvent(event, id), JSON.stringify(spec), { headers: json });
    return until(`verdict on ${event} ${id}`, async () => this.verdicts.slice(before).find((v) => v.event === event && v.id === id), 60_000);
  }

  async put(program: Uint8Array | string): Promise<Sha256> {
    return (await openPrograms(this.link)).put(typeof program === 'string' ? new TextEncoder().encode(program) : program);
  }
  async putC(name: string): Promise<Sha256> {
    const root = repositoryRoot();
    const out = join((await temporaryFolder('godwit-c-')).path, `${name}.wasm`);
    await run(process.execPath, [join(root, 'libs/adapters/wasm/scripts/compile-c.mjs'), out, join(root, 'libs/testing/programs', `${name}.c`)], { timeout: 120_000 });
    return this.put(await readFile(out));
  }

  async thread(thread: string, runtime: 'wasm' | 'task', program: Sha256, more: object = {}): Promise<void> {
    await this.register('application-registered', 'app', { application: 'app' });
    const verdict = await this.register('thread-registered', thread, { thread, application: 'app', runtime, programSha256: program, checkpointMs: 1_000, limits: { memoryBytes: 16 * 1024 * 1024 }, ...more });
    if (!verdict.accepted) throw new Error(verdict.reason);
  }

  async own(thread: string): Promise<Stored<OwnRecord>> {
    return until(`owner of ${thread}`, async () => (await this.journal.newestOwn(this.at(thread)).catch(() => undefined)), 30_000);
  }
  async outN(thread: string): Promise<number> {
    return (await this.journal.tail(this.at(thread)).catch(() => ({ outN: 0 }))).outN;
  }
  async outputs(thread: string): Promise<Stored<OutRecord>[]> {
    const outputs: Stored<OutRecord>[] = [];
    for await (const output of await this.journal.readOutputs(this.at(thread), { afterN: 0, follow: false })) outputs.push(output);
    return outputs;
  }
  async input(thread: string, requestId: string, text: string, kind: 'message' | 'end' = 'message'): Promise<void> {
    const messages = kind === 'end' ? [] : [{ kind: 'text', payload: new TextEncoder().encode(text) }];
    const reply = await this.journal.appendInput(this.at(thread), { requestId: requestId as RequestId, kind, messages });
    if (isRefusal(reply)) throw new Error(reply.reason);
  }

  /** Moves by command, waits for the commit, and gives the new owner. */
  async move(thread: string, target: string): Promise<Stored<OwnRecord>> {
    const before = await this.own(thread);
    const request = migrateRequestCodec.encode({ thread: thread as ThreadId, target: target as DeviceId, note: 'by a spec', force: true });
    await until(`move of ${thread} to ${target} accepted`, async () => {
      const reply = migrateReplyCodec.decode((await this.link.nc.request(SUBJECTS.migrate, request, { timeout: 10_000 })).data);
      if (isRefusal(reply)) throw new Error(reply.reason);
      if (reply.migration === undefined && reply.code !== 'conflict') throw new Error(reply.reason);
      return reply.migration;
    });
    return until(`commit of ${thread} to ${target}`, async () => {
      const own = await this.own(thread);
      return own.record.epoch > before.record.epoch && own;
    });
  }

  async status(device: string): Promise<AgentStatus> {
    const status = agentStatusCodec.decode((await this.link.nc.request(SUBJECTS.agentCommand(device, 'status'), new Uint8Array(0), { timeout: 5_000 })).data);
    if (isRefusal(status)) throw new Error(status.reason);
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link.close();
    await this.local.stop();
  }
}

export const textOf = (outputs: readonly Stored<OutRecord>[]): string =>
  outputs.flatMap(({ record }) => record.messages.map(({ payload }) => new TextDecoder().decode(payload))).join('');

/** Numbers 1, 2, 3 … without gap; and no record of an older epoch behind a newer owner (I2, I3 of RELIABILITY). */
export function expectWhole(outputs: readonly Stored<OutRecord>[]): void {
  expect(outputs.map(({ record }) => record.n)).toEqual(outputs.map((_output, i) => i + 1));
  const epochs = outputs.map(({ record }) => record.epoch);
  expect([...epochs].sort((a, b) => a - b)).toEqual(epochs);
}
