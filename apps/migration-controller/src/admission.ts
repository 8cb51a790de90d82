/**
 * Admission of registration events. Every event of the stream gets one verdict, written beside it; an event has effect
 * exactly if its verdict says so, so that every follower of the stream, now and after a restart, folds the same registry.
 *
 * Invariants: D1. Verdicts are given in the order of the events. D2. A verdict is create-only: of two controllers one wins.
 * D3. No event, however malformed, stops the admission.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import { applyEvent, EMPTY_REGISTRY, type Registry, type RegistryEvent, type ThreadSpec } from '@godwit/registry';
import type { Log } from '@godwit/shell';
import { decodeEvent, JSON_CONTENT_TYPE, STREAMS, SUBJECTS, verdictCodec, type RegistryVerdict } from '@godwit/wire';
import { jetstream, JetStreamApiCodes, JetStreamApiError, jetstreamManager, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

export interface AdmissionOptions {
  readonly nats: NatsConnection;
  readonly log: Log;
  /** What an event needs beside the registry: the program must be there and be migratable. */
  readonly checkThread: (spec: ThreadSpec) => Promise<Refusal | undefined>;
  readonly onAccepted: (event: RegistryEvent, registry: Registry) => void;
}

/** A broker that was restarted is noticed after two missed heartbeats; by default that would be half a minute. */
const PULL = { max_messages: 500, expires: 10_000, idle_heartbeat: 2_000 } as const;
/** Between two tries to write a verdict. */
const WRITE_PAUSE_MS = 500;
/** What the broker says when the subject holds a record already. */
const EXISTS: ReadonlySet<number> = new Set([JetStreamApiCodes.StreamWrongLastSequence, JetStreamApiCodes.StreamWrongLastSequenceUnknown]);

interface Incoming {
  readonly seq: number;
  readonly name: string;
  readonly id: string;
  readonly event: RegistryEvent | Refusal;
}

export class Admission {
  registry: Registry = EMPTY_REGISTRY;
  private readonly verdicts = new Map<number, RegistryVerdict>();
  /** Events whose verdict was there before ours: it comes behind them in the stream. */
  private readonly awaited = new Map<number, Incoming>();
  private messages: ConsumerMessages | undefined;
  private closed = false;

  constructor(private readonly options: AdmissionOptions) {}

  /** Folds what the stream holds, gives the verdicts that are missing, then goes on with what comes. Resolves when caught up. */
  async start(): Promise<void> {
    this.options.nats.subscribe(SUBJECTS.registryAll, { callback: (error, message) => (error ? undefined : this.refuseUnknown(message.subject)) });
    const manager = await jetstreamManager(this.options.nats);
    const last = (await manager.streams.info(STREAMS.registry.name)).state.last_seq;
    const consumer = await jetstream(this.options.nats).consumers.get(STREAMS.registry.name);
    this.messages = await consumer.consume(PULL);
    const early: Incoming[] = [];
    let caughtUp: (() => void) | undefined;
    const ready = new Promise<void>((resolve) => (caughtUp = resolve));
    void this.follow(last, early, () => caughtUp?.());
    if (last === 0) caughtUp?.();
    await ready;
  }

  private async follow(last: number, early: Incoming[], caughtUp: () => void): Promise<void> {
    let replaying = last > 0;
    for await (const message of this.messages!) {
      if (this.closed) return;
      const incoming = this.read(message);
      if (replaying) {
        if (incoming) early.push(incoming);
        if (message.seq < last) continue;
        replaying = false;
        for (const waiting of early) await this.admit(waiting);
        caughtUp();
      } else if (incoming) await this.admit(incoming);
    }
  }

  /** Undefined for a verdict, which is only remembered. */
  private read(message: JsMsg): Incoming | undefined {
    const [, , name = '', id = ''] = message.subject.split('.');
    if (name === 'verdict') {
      const verdict = verdictCodec.decode(message.data);
      if (!isRefusal(verdict)) this.takeVerdict(verdict);
      return undefined;
    }
    const json = message.headers?.get('Content-Type') === JSON_CONTENT_TYPE;
    return { seq: message.seq, name, id, event: decodeEvent(name, message.data, { json, subjectId: id }) };
  }

  private takeVerdict(verdict: RegistryVerdict): void {
    const waiting = this.awaited.get(verdict.eventSeq);
    if (!waiting) {
      if (!this.verdicts.has(verdict.eventSeq)) this.verdicts.set(verdict.eventSeq, verdict);
      return;
    }
    this.awaited.delete(verdict.eventSeq);
    if (verdict.accepted && !isRefusal(waiting.event)) this.apply(waiting.event);
    // It may be our own, whose acknowledgement was lost: then nobody has told it yet.
    this.tell(verdict);
  }

  private async admit(incoming: Incoming): Promise<void> {
    const known = this.verdicts.get(incoming.seq);
    if (known) {
      this.verdicts.delete(incoming.seq);
      if (known.accepted && !isRefusal(incoming.event)) this.apply(incoming.event);
      return;
    }
    const refusal = await this.judge(incoming.event);
    const verdict: RegistryVerdict = {
      eventSeq: incoming.seq, event: incoming.name, id: incoming.id, accepted: refusal === undefined,
      code: refusal?.code ?? '', field: refusal?.field ?? '', reason: refusal?.reason ?? '',
    };
    if (!(await this.write(verdict))) return void this.awaited.set(incoming.seq, incoming);
    if (refusal === undefined) this.apply(incoming.event as RegistryEvent);
    else this.options.log.info({ event: incoming.name, id: incoming.id, code: refusal.code, field: refusal.field, reason: refusal.reason }, 'registration refused');
    this.tell(verdict);
  }

  private async judge(event: RegistryEvent | Refusal): Promise<Refusal | undefined> {
    if (isRefusal(event)) return event;
    const next = applyEvent(this.registry, event);
    if (isRefusal(next)) return next;
    if (event.event !== 'thread-registered') return undefined;
    try {
      return await this.options.checkThread(event.spec);
    } catch (error) {
      const code = error instanceof OperationError ? error.code : 'internal';
      return refuse(code, `thread ${event.spec.thread}: ${(error as Error).message}`);
    }
  }

  private apply(event: RegistryEvent): void {
    const next = applyEvent(this.registry, event);
    if (isRefusal(next)) return void this.options.log.error({ reason: next.reason }, 'an accepted event does not fit the registry');
    this.registry = next;
    this.options.onAccepted(event, next);
  }

  /**
   * False when there was a verdict already: another controller's, or our own, whose acknowledgement was lost. A broker that
   * is away is waited for, or the event would never have a verdict.
   */
  private async write(verdict: RegistryVerdict): Promise<boolean> {
    const subject = SUBJECTS.registryVerdict(verdict.eventSeq);
    for (;;) {
      try {
        await jetstream(this.options.nats).publish(subject, verdictCodec.encode(verdict), { expect: { lastSubjectSequence: 0 } });
        return true;
      } catch (error) {
        if (error instanceof JetStreamApiError && EXISTS.has(error.code)) return false;
        if (this.closed || this.options.nats.isClosed()) return false;
        this.options.log.warn({ subject, err: error }, 'verdict not written yet');
        await delay(WRITE_PAUSE_MS);
      }
    }
  }

  private tell(verdict: RegistryVerdict): void {
    const subject = verdict.accepted ? SUBJECTS.registryAccepted(verdict.event) : SUBJECTS.registryRejected(verdict.event);
    this.options.nats.publish(subject, verdictCodec.encode(verdict));
    this.options.nats.publish(`${subject}.json`, JSON.stringify(verdictCodec.toJson(verdict)));
  }

  /** What no stream takes in would otherwise vanish without a word. */
  private refuseUnknown(subject: string): void {
    const [, , name = '', id = '', ...rest] = subject.split('.');
    if (name === 'verdict' || name === 'accepted' || name === 'rejected') return;
    const known = decodeEvent(name, new Uint8Array(0), { json: false });
    const unknown = isRefusal(known) && known.code === 'unknown-event';
    if (!unknown && id !== '' && rest.length === 0) return;
    const refusal = unknown ? known : refuse('invalid-field', `${subject}: the subject must be godwit.registry.${name}.<id>`, 'id');
    const token = /^[a-z0-9-]{1,64}$/.test(name) ? name : 'unknown';
    this.tell({ eventSeq: 0, event: token, id, accepted: false, code: refusal.code, field: refusal.field ?? '', reason: refusal.reason });
  }

  close(): void {
    this.closed = true;
    this.messages?.stop();
  }
}
