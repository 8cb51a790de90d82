import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { deviceId, requestId, shardId, threadId, type Sha256 } from '@godwit/kernel';
import type { Journal, ThreadAddress } from '@godwit/journal';
import { CHAIN_START, chainOutput, type ThreadOutput } from '@godwit/snapshot';
import { startTestNats, startTestNatsCluster } from '@godwit/testing';
import { connectNats, natsJournal } from './index.js';

const LIMIT_MS = 120_000;
const at: ThreadAddress = { shard: shardId('faults'), thread: threadId('t1') };
const sha256 = (...parts: readonly Uint8Array[]): Sha256 => createHash('sha256').update(Buffer.concat(parts)).digest('hex') as Sha256;

function outputs(count: number): ThreadOutput[] {
  let hash = CHAIN_START;
  return Array.from({ length: count }, (_, i) => {
    const output = chainOutput(hash, { n: i + 1, causedBySeq: 0, originMs: 0, messages: [{ kind: 'n', payload: Buffer.from(String(i)) }] }, sha256);
    hash = output.hash;
    return output;
  });
}

/** A thread that writes one output after another, and a subscriber that reads them, while `disturb` is called at some of them. */
async function through(journal: Journal, disturb: ReadonlyMap<number, () => Promise<unknown>>, total: number): Promise<void> {
  await journal.ensureShard(at.shard);
  const granted = await journal.appendOwn(at, 0, { epoch: 1, device: deviceId('d1'), reason: 'placed', checkpoint: 0, note: '' });
  if (granted.result !== 'appended') throw new Error('the first epoch was not granted');
  const appender = journal.fencedAppender(at, { epoch: 1, ownSeq: granted.own.seq });
  const reader = await journal.read({ ...at, thread: threadId('subscriber') }, { afterSeq: 0, subscribes: [at.thread], batch: 32 });
  const reading = (async () => {
    const read: number[] = [];
    for await (const entry of reader) {
      if (entry.type === 'out') read.push(entry.record.n);
      if (read.length === total) break;
    }
    return read;
  })();
  const disturbances: Promise<unknown>[] = [];
  for (const output of outputs(total)) {
    const disturbance = disturb.get(output.n);
    if (disturbance) disturbances.push(disturbance());
    const outcome = await appender.appendOutputs([output]);
    expect(['appended', 'repeated']).toContain(outcome.result);
  }
  await Promise.all(disturbances);
  expect(await reading).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  await reader.close();
  expect((await journal.tail(at)).outN).toBe(total);
}

describe('the journal on real servers that fail', () => {
  it('loses nothing and repeats nothing while the broker is killed and started again', async () => {
    await using nats = await startTestNats();
    await using link = await connectNats({ url: nats.url, name: 'faults' });
    await through(natsJournal(link), new Map([[100, () => nats.restart('SIGKILL')], [300, () => nats.restart('SIGKILL')]]), 400);
  }, LIMIT_MS);

  it('goes on when the server of the cluster that leads the shard is killed', async () => {
    await using cluster = await startTestNatsCluster();
    await using link = await connectNats({ url: cluster.url, name: 'faults' });
    const killLeader = async (): Promise<void> => {
      const info = JSON.parse(Buffer.from(await link.request('$JS.API.STREAM.INFO.GODWIT_T_faults', '{}')).toString()) as { cluster: { leader: string } };
      const index = Number(info.cluster.leader.split('-').at(-1));
      const server = cluster.servers[index]!;
      server.kill('SIGKILL');
      await server.ended;
      await cluster.restart(index);
    };
    await through(natsJournal(link, { replicas: 3 }), new Map([[100, killLeader]]), 400);
  }, LIMIT_MS);

  it('refuses a shard whose stream could lose or change records, and names each setting', async () => {
    await using nats = await startTestNats();
    await using link = await connectNats({ url: nats.url, name: 'faults' });
    const made = { name: 'GODWIT_T_faults', subjects: ['godwit.t.faults.>'], storage: 'memory', allow_direct: true, max_age: 60_000_000_000 };
    await link.request('$JS.API.STREAM.CREATE.GODWIT_T_faults', JSON.stringify(made));
    const refusal = expect(natsJournal(link).ensureShard(at.shard)).rejects;
    for (const setting of ['storage', 'discard', 'discard_new_per_subject', 'max_msgs_per_subject', 'deny_delete', 'allow_direct', 'allow_atomic', 'max_age']) {
      await refusal.toMatchObject({ code: 'conflict', message: expect.stringContaining(setting) });
    }
  }, LIMIT_MS);

  it('skips inputs that are no records, and says so', async () => {
    await using nats = await startTestNats();
    await using link = await connectNats({ url: nats.url, name: 'faults' });
    const skipped: string[] = [];
    const journal = natsJournal(link, { onMalformed: (_seq, subject, refusal) => skipped.push(`${subject} ${refusal.code} ${refusal.field}`) });
    await journal.ensureShard(at.shard);
    await link.request('godwit.t.faults.t1.in.junk', new Uint8Array([255, 255, 255]));
    await link.request('godwit.t.faults.t1.in.r2', new Uint8Array([10, 2, 114, 49, 16, 1]));
    await journal.appendInput(at, { requestId: requestId('r3'), kind: 'end', messages: [] });
    const reader = await journal.read(at, { afterSeq: 0, subscribes: [] });
    for await (const entry of reader) {
      expect(entry).toMatchObject({ seq: 3, record: { requestId: 'r3' } });
      break;
    }
    await reader.close();
    expect(skipped).toEqual(['godwit.t.faults.t1.in.junk malformed-message undefined', 'godwit.t.faults.t1.in.r2 invalid-field requestId']);
  }, LIMIT_MS);

  it('ends a reading with an error when its connection is closed for good', async () => {
    await using nats = await startTestNats();
    const link = await connectNats({ url: nats.url, name: 'faults' });
    const journal = natsJournal(link);
    await journal.ensureShard(at.shard);
    const reader = await journal.read(at, { afterSeq: 0, subscribes: [] });
    const next = reader[Symbol.asyncIterator]().next();
    await Promise.all([link.close(), expect(next).rejects.toMatchObject({ code: 'connection-lost' })]);
  }, LIMIT_MS);

  it('is told when no server of the needed version answers', async () => {
    await expect(connectNats({ url: 'nats://127.0.0.1:1', name: 'faults' })).rejects.toMatchObject({ code: 'connection-lost', effect: 'none' });
  }, LIMIT_MS);
});
