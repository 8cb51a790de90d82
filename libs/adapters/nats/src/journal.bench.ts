/**
 * Appends per second and their latency on a real broker that syncs always, and on three, on this machine's disk; beside
 * a bare acknowledged publish to the same stream in the same run. Records carry 100 bytes.
 * Leaves out: other load, networks between machines, disks of their own for the three.
 *   NODE_OPTIONS=--experimental-vm-modules npx jest --testMatch '**\/journal.bench.ts'
 */
import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { deviceId, requestId, shardId, threadId, type Sha256 } from '@godwit/kernel';
import { CHAIN_START, chainOutput, type ThreadOutput } from '@godwit/snapshot';
import { startTestNats, startTestNatsCluster } from '@godwit/testing';
import { connectNats, natsJournal, type NatsLink } from './index.js';

const shard = shardId('bench');
const PAYLOAD = new Uint8Array(100);
const sha256 = (...parts: readonly Uint8Array[]): Sha256 => createHash('sha256').update(Buffer.concat(parts)).digest('hex') as Sha256;

function outputs(count: number): ThreadOutput[] {
  let hash = CHAIN_START;
  return Array.from({ length: count }, (_, i) => {
    const output = chainOutput(hash, { n: i + 1, causedBySeq: 0, originMs: 0, messages: [{ kind: 'n', payload: PAYLOAD }] }, sha256);
    hash = output.hash;
    return output;
  });
}

const quantile = (sortedMs: readonly number[], q: number): string => sortedMs[Math.min(sortedMs.length - 1, Math.floor(q * sortedMs.length))]!.toFixed(2);
const perSecond = (count: number, sinceMs: number): string => `${Math.round((count / (performance.now() - sinceMs)) * 1000)}/s`;

/** Runs one after another and gives what they took. */
async function oneByOne(count: number, work: (i: number) => Promise<unknown>): Promise<string> {
  const tookMs: number[] = [];
  const begin = performance.now();
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await work(i);
    tookMs.push(performance.now() - start);
  }
  const rate = perSecond(count, begin);
  tookMs.sort((a, b) => a - b);
  return `${rate}, p50 ${quantile(tookMs, 0.5)} ms, p99 ${quantile(tookMs, 0.99)} ms`;
}

/** The figures of one broker or cluster, as lines of text. */
async function benchJournal(link: NatsLink, replicas: 1 | 3): Promise<string[]> {
  const journal = natsJournal(link, { replicas });
  await journal.ensureShard(shard);
  let threads = 0;
  const owned = async () => {
    const at = { shard, thread: threadId(`t${++threads}`) };
    const outcome = await journal.appendOwn(at, 0, { epoch: 1, device: deviceId('d1'), reason: 'placed', checkpoint: 0, note: '' });
    if (outcome.result !== 'appended') throw new Error('not granted');
    return { at, appender: journal.fencedAppender(at, { epoch: 1, ownSeq: outcome.own.seq }) };
  };
  const lines: string[] = [];
  const note = (what: string, figures: string): void => { lines.push(`${what}: ${figures}`); };

  note('bare acknowledged publish, one at a time', await oneByOne(1_000, (i) => link.request(`godwit.t.${shard}.bare.in.r${i}`, PAYLOAD)));
  const single = await owned();
  const all = outputs(20_000);
  note('fenced output, one at a time', await oneByOne(1_000, (i) => single.appender.appendOutputs([all[i]!])));
  const input = { shard, thread: threadId('inputs') };
  note('input, one at a time', await oneByOne(500, (i) => journal.appendInput(input, { requestId: requestId(`r${i}`), kind: 'message', messages: [{ kind: 'n', payload: PAYLOAD }] })));
  const owner = { shard, thread: threadId('owner') };
  let seq = 0;
  note('own append (with reading it back)', await oneByOne(500, async (i) => {
    const outcome = await journal.appendOwn(owner, seq, { epoch: i + 1, device: deviceId('d1'), reason: 'committed', checkpoint: 0, note: '' });
    if (outcome.result === 'appended') seq = outcome.own.seq;
  }));

  const queued = await owned();
  let begin = performance.now();
  await Promise.all(all.map((output) => queued.appender.appendOutputs([output])));
  note('outputs of one thread, queued', perSecond(all.length, begin));
  const many = await Promise.all(Array.from({ length: 16 }, owned));
  begin = performance.now();
  await Promise.all(many.flatMap(({ appender }) => all.slice(0, 1_000).map((output) => appender.appendOutputs([output]))));
  note('outputs of 16 threads, queued', perSecond(16_000, begin));
  begin = performance.now();
  await Promise.all(many.map(async ({ appender }) => { for (const output of all.slice(1_000, 1_100)) await appender.appendOutputs([output]); }));
  note('outputs of 16 threads, each one at a time', perSecond(1_600, begin));

  const reader = await journal.read({ shard, thread: threadId('nobody') }, { afterSeq: 0, subscribes: [queued.at.thread] });
  begin = performance.now();
  let read = 0;
  for await (const _entry of reader) if (++read === all.length) break;
  note('reading', perSecond(read, begin));
  await reader.close();
  const restored = journal.fencedAppender(queued.at, queued.appender.fence);
  begin = performance.now();
  await restored.appendOutputs(all.slice(0, 1_000));
  note('repeated outputs recognised', perSecond(1_000, begin));
  return lines;
}

it('appends and reads at these rates', async () => {
  {
    await using nats = await startTestNats();
    await using link = await connectNats({ url: nats.url, name: 'bench' });
    process.stdout.write(`one broker\n  ${(await benchJournal(link, 1)).join('\n  ')}\n`);
  }
  await using cluster = await startTestNatsCluster();
  await using link = await connectNats({ url: cluster.url, name: 'bench' });
  const lines = await benchJournal(link, 3);
  process.stdout.write(`cluster of three\n  ${lines.join('\n  ')}\n`);
  expect(lines).toHaveLength(9);
}, 300_000);
