/** The planted bugs: each takes one rule away behind a port, and the simulator must find it. */
import { isRefusal, OperationError, type DeviceId, type MigrationId, type ThreadId } from '@godwit/kernel';
import type { Checkpoints, OwnLog } from '@godwit/handover';
import type { FencedAppender, Journal, OwnRecord, Stored } from '@godwit/journal';
import type { ThreadOutput } from '@godwit/snapshot';
import { altered, type Bug } from './bugs.js';
import { sha256 } from './program.js';
import { SimRunner } from './sim-runner.js';

const INPUTS_AWAY = ['crash-agent', 'pause-agent'] as const;
const forgetsEpochs = (ownLog: OwnLog): OwnLog => altered(ownLog, { adoptedEpoch: () => 0 });

/** Every appender of the journal, altered. */
const withAppender = (journal: Journal, change: (appender: FencedAppender) => Partial<FencedAppender>): Journal =>
  altered(journal, { fencedAppender: (at, fence) => {
    const appender = journal.fencedAppender(at, fence);
    return altered(appender, change(appender));
  } });

/** What an agent's runners are asked, altered. */
const withRequests = (runner: SimRunner, change: (name: string, request: Record<string, unknown>) => Record<string, unknown>): SimRunner =>
  altered(runner, { request: (name, request, options) => runner.request(name, change(name, request as Record<string, unknown>) as never, options) });

/** What runners answer, altered. */
const withReplies = (runner: SimRunner, change: (name: string, reply: Record<string, unknown>) => Record<string, unknown>): SimRunner =>
  altered(runner, { request: async (name, request, options) => {
    const reply = await runner.request(name, request, options);
    return reply === null || isRefusal(reply) ? reply : (change(name, reply as unknown as Record<string, unknown>) as unknown as typeof reply);
  } });

/** A restore that asks for no digest. */
const blindly = (name: string, request: Record<string, unknown>): Record<string, unknown> => (name === 'restore' ? { ...request, digest: '' } : request);

const OF_THE_BROKER: readonly Bug[] = [
  { name: 'drop-fence', about: 'the broker takes appends of an owner that is one no more', faults: ['pause-agent', 'cut-device-one-way'], broker: { fenced: false } },
  { name: 'ack-before-durable', about: 'the broker acknowledges before its disk has it, and loses its power', faults: ['power-cut'], broker: { syncAlways: false } },
  { name: 'not-create-only', about: 'the broker stores a second record under a number that is there', faults: ['storm', 'crash-broker'], broker: { createOnly: false } },
  { name: 'torn-batches', about: 'of a batch the broker takes what fits', faults: ['crash-agent', 'kill-runner'], broker: { atomicBatches: false, createOnly: false } },
];

const OF_THE_STORE: readonly Bug[] = [
  { name: 'accept-stale-checkpoint', about: 'a lost checkpoint is answered with the one before, and nobody looks at the digest', faults: ['lose-checkpoint', 'crash-agent'], store: { guarded: false, verified: false }, runner: (runner) => withRequests(runner, blindly) },
  { name: 'accept-damaged-checkpoint', about: 'a checkpoint is restored without a look at its digest', faults: ['damage-checkpoint', 'crash-agent'], store: { verified: false }, runner: (runner) => withRequests(runner, blindly) },
  {
    name: 'manifest-before-blob', about: 'a checkpoint is journalled before the store has it', faults: ['crash-store', 'kill-runner', 'crash-agent'],
    checkpoints: (checkpoints): Checkpoints => altered(checkpoints, { write: async (thread, checkpoint) => {
      checkpoints.write(thread, checkpoint).catch((error: unknown) => { if (!(error instanceof OperationError)) throw error; });
      const bytes = Uint8Array.from(checkpoint.parts.flatMap((part) => [...part]));
      return { k: checkpoint.k, bytes: bytes.length, chunks: 1, digest: sha256(bytes) };
    } }),
  },
  {
    name: 'purge-above-the-cursor', about: 'inputs are purged up to the newest checkpoint’s successor', faults: ['crash-agent', 'kill-runner'],
    purgeMarks: (facts, lastSeq) => ({ inputsBelowSeq: facts.own[0] ? lastSeq + 1 : 0, outputsBelowSeq: 0, checkpointsBelow: 0 }),
  },
  {
    name: 'purge-below-one-checkpoint', about: 'one checkpoint is taken for two', faults: ['lose-checkpoint', 'damage-checkpoint', 'crash-agent', 'kill-runner'],
    purgeMarks: ({ own: [newest] }) => ({ inputsBelowSeq: newest?.cursorSeq ?? 0, outputsBelowSeq: 0, checkpointsBelow: 0 }),
  },
];

const OF_THE_JOURNAL: readonly Bug[] = [
  { name: 'accept-other-hash', about: 'an output with another hash under a number that is there counts as repeated', faults: [...INPUTS_AWAY, 'kill-runner'], habits: { acceptsOtherHash: true } },
  {
    name: 'tail-before-epoch', about: 'the end of the thread’s records is read before the epoch is adopted', faults: [...INPUTS_AWAY],
    agentJournal: (journal) => {
      const early = new Map<ThreadId, ReturnType<Journal['tail']>>();
      return altered(journal, { tail: (at) => {
        const known = early.get(at.thread) ?? journal.tail(at);
        early.set(at.thread, known);
        return known;
      } });
    },
  },
  {
    name: 'outcome-in-two-writes', about: 'the owner changes in one record, and the outcome follows in another', faults: ['crash-controller', 'second-controller'],
    controllerJournal: (journal) => altered(journal, { appendOwn: async (at, expectedSeq, record) => {
      if (!record.migration) return journal.appendOwn(at, expectedSeq, record);
      const { migration: _later, ...first } = record;
      const owner = await journal.appendOwn(at, expectedSeq, { ...first, reason: 're-granted' });
      return owner.result === 'lost' ? owner : journal.appendOwn(at, owner.own.seq, { ...record, epoch: record.epoch + 1 });
    } }),
  },
  {
    name: 'same-epoch-again', about: 'a fail-over keeps the epoch of the owner that it replaces', faults: [...INPUTS_AWAY], broker: { createOnly: false },
    controllerJournal: (journal) => altered(journal, { appendOwn: (at, expectedSeq, record) => journal.appendOwn(at, expectedSeq, record.reason === 'failed-over' ? { ...record, epoch: Math.max(1, record.epoch - 1) } : record) }),
  },
  {
    name: 'guess-in-doubt', about: 'an owner record whose answer was lost counts as written', faults: ['cut-controller', 'crash-broker', 'storm'],
    controllerJournal: (journal) => altered(journal, { appendOwn: async (at, expectedSeq, record) => {
      const guess: Stored<OwnRecord> = { seq: expectedSeq + 1, atMs: 0, record };
      const late = new Promise<'late'>((resolve) => { void journal.tail(at).then(() => resolve('late'), () => resolve('late')); });
      const outcome = await Promise.race([journal.appendOwn(at, expectedSeq, record).catch(() => 'late' as const), late]);
      return outcome === 'late' ? { result: 'appended', own: guess } : outcome;
    } }),
  },
  {
    name: 'wrong-cursor', about: 'a restored thread reads on behind the record after its cursor', faults: [...INPUTS_AWAY, 'kill-runner'],
    agentJournal: (journal) => altered(journal, { read: (at, options) => journal.read(at, { ...options, afterSeq: options.afterSeq > 0 ? options.afterSeq + 3 : 0 }) }),
  },
  {
    name: 'cursor-too-early', about: 'a restored thread reads its last record again', faults: [...INPUTS_AWAY, 'kill-runner'],
    agentJournal: (journal) => altered(journal, { read: (at, options) => journal.read(at, { ...options, afterSeq: Math.max(0, options.afterSeq - 1) }) }),
  },
  {
    name: 'ack-before-append', about: 'an output counts as appended before the broker has answered', faults: ['crash-broker', 'crash-agent', 'kill-runner'],
    agentJournal: (journal) => withAppender(journal, (appender) => ({ appendOutputs: (outputs) => {
      appender.appendOutputs(outputs).catch((error: unknown) => { if (!(error instanceof OperationError)) throw error; });
      return Promise.resolve({ result: 'appended', seq: 0 });
    } })),
  },
];

const OF_THE_AGENT: readonly Bug[] = [
  { name: 'no-self-fencing', about: 'a device that cannot renew its lease goes on', faults: ['cut-device', 'cut-device-one-way'], selfFencing: false },
  { name: 'own-log-not-synced', about: 'the own log forgets in a crash what it has seen', faults: ['crash-agent', 'broker-went-back'], syncsOwnLog: false },
  { name: 'forget-pending-outputs', about: 'a snapshot does not carry the outputs that the journal may not have', faults: ['storm', 'crash-broker'], runner: (runner) => withRequests(runner, (_name, request) => ('pendingOutputs' in request ? { ...request, pendingOutputs: [] } : request)) },
  {
    name: 'renumber-outputs', about: 'a restored thread numbers on from the journal’s end, not from its own', faults: [...INPUTS_AWAY, 'kill-runner'],
    runner: (runner, { broker }) => withReplies(runner, (name, reply) => {
      if (name !== 'restore') return reply;
      const last = broker.newest(runner.program!.thread, 'out')?.kept.record as ThreadOutput | undefined;
      if (last) runner.stands = { ...runner.stands, outN: last.n, chainHash: last.hash };
      return { ...reply, outN: last?.n ?? reply['outN'], pendingOutputs: [] };
    }),
  },
  {
    name: 'drop-what-was-fed', about: 'after a freeze the records that were fed and not consumed are not fed again', faults: ['storm'],
    runner: (runner) => {
      let skip = false;
      return altered(runner, {
        request: (name, request, options) => {
          if (name === 'resume') skip = true;
          return runner.request(name, request, options);
        },
        feed: (records) => {
          if (!skip) runner.feed(records);
          skip = false;
        },
      });
    },
  },
];

const OF_THE_SHADOW: readonly Bug[] = [
  {
    name: 'shadow-trusts-its-feed', about: 'a shadow applies a delta upon whatever it holds, and asks for no digest', faults: ['spoil-transfers', 'kill-runner', 'crash-agent', 'spoil-transfers', 'pause-agent'],
    runner: (runner) => {
      runner.trusting = true;
      return runner;
    },
  },
  {
    name: 'promote-below-released', about: 'a shadow of a thread that is not deterministic is promoted below outputs that were released', faults: ['pause-agent', 'crash-agent', 'cut-devices', 'kill-runner'],
    agentJournal: (journal) => altered(journal, { tail: async (at) => ({ ...(await journal.tail(at)), outN: 0 }) }),
    runner: (runner) => altered(runner, { request: (name, request, options) => (name === 'shadow-durable' ? Promise.resolve(null as never) : runner.request(name, request, options)) }),
  },
];

const OF_THE_CONTROLLER: readonly Bug[] = [
  {
    name: 'no-digest-comparison', about: 'a move is committed whatever the target has received', faults: ['spoil-transfers', 'spoil-transfers', 'spoil-transfers'],
    calls: (calls) => {
      const sent = new Map<MigrationId, string>();
      return altered(calls, {
        freeze: async (device: DeviceId, command) => {
          const reply = await calls.freeze(device, command);
          if (!isRefusal(reply)) sent.set(command.migration, reply.digestSha256);
          return reply;
        },
        awaitStaged: async (device: DeviceId, command) => {
          const reply = await calls.awaitStaged(device, command);
          return isRefusal(reply) ? reply : { ...reply, digestSha256: sent.get(command.migration) ?? reply.digestSha256 };
        },
      });
    },
  },
  {
    name: 'release-before-durable', about: 'outputs of a thread that is not deterministic are appended before a checkpoint covers them', faults: ['crash-agent', 'kill-runner'],
    calls: (calls) => altered(calls, {
      run: (device, command) => calls.run(device, { ...command, spec: { ...command.spec, deterministic: true } }),
      prepare: (device, command) => calls.prepare(device, { ...command, spec: { ...command.spec, deterministic: true } }),
    }),
  },
  {
    name: 'reuse-epoch-after-restart', about: 'an agent that was started anew goes on in the epoch that its log names', faults: ['crash-agent', 'storm'], ownLog: forgetsEpochs,
    onBoot: (device, specs, broker) => {
      for (const spec of specs) {
        const own = broker.newestOwn(spec.thread);
        if (own?.record.device === device.device) void device.agent?.run({ spec, epoch: own.record.epoch, ownSeq: own.seq, checkpoint: 0 });
      }
    },
    controllerJournal: (journal) => altered(journal, { appendOwn: (at, expectedSeq, record) => (record.note === 'the agent was started anew' ? journal.newestOwn(at).then((newest) => ({ result: 'lost' as const, newest })) : journal.appendOwn(at, expectedSeq, record)) }),
  },
  {
    name: 'never-fail-over', about: 'a device that is gone keeps its threads', faults: ['pause-agent'],
    controllerJournal: (journal) => altered(journal, { appendOwn: (at, expectedSeq, record) => (record.reason === 'failed-over' ? journal.newestOwn(at).then((newest) => ({ result: 'lost' as const, newest })) : journal.appendOwn(at, expectedSeq, record)) }),
  },
];

export const PLANTED: readonly Bug[] = [...OF_THE_BROKER, ...OF_THE_STORE, ...OF_THE_JOURNAL, ...OF_THE_AGENT, ...OF_THE_SHADOW, ...OF_THE_CONTROLLER];
