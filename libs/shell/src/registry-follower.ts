/**
 * Follows the stream GODWIT_REGISTRY and folds it: every service that calls this holds the same registry.
 *
 * Invariants:
 *  F1. An event takes effect when its accepting verdict is read, and in the verdicts' order: the order of the stream, the
 *      same for every reader. An event without a verdict has no effect; one with a rejecting verdict never will.
 *  F2. What cannot be decoded, or belongs to a newer version, is told and skipped; it never stops the following.
 *  F3. Lost connections and restarted brokers are outlived: reading goes on behind the last message that was folded. A
 *      stream that ends before it, or was made anew, is another stream: then the fold begins anew.
 */
import { isRefusal, OperationError, type DurationMs, type InstantMs, type Refusal } from '@godwit/kernel';
import { applyEvent, EMPTY_REGISTRY, type Registry, type RegistryEvent } from '@godwit/registry';
import { decodeEvent, JSON_CONTENT_TYPE, STREAMS, verdictCodec, type RegistryVerdict } from '@godwit/wire';
import { jetstream, jetstreamManager, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Log } from './log.js';

/** One message of the registry stream, as far as the fold needs it. */
export interface RegistryMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly atMs: InstantMs;
  readonly contentType: string;
}

/** A registration event as it stands in the stream, before or after its verdict. */
export interface FollowedEvent {
  readonly seq: number;
  /** The subject's event name and id, which need not be ones that this version knows. */
  readonly name: string;
  readonly id: string;
  readonly atMs: InstantMs;
  /** A Refusal when the message is malformed: then the only right verdict rejects it with that reason. */
  readonly event: RegistryEvent | Refusal;
}

export interface RegistryListeners {
  /** Called once when caught up, then after each event that took effect. */
  readonly onChange?: (registry: Registry, effective: FollowedEvent | undefined) => void;
  /** Called for each event, also while catching up, before its verdict is known. */
  readonly onEvent?: (event: FollowedEvent) => void;
  /** Called for each verdict, also while catching up, after its event took effect (or not). */
  readonly onVerdict?: (verdict: RegistryVerdict, event: FollowedEvent | undefined) => void;
}

/** The fold alone, without a broker. */
export class RegistryFold {
  registry: Registry = EMPTY_REGISTRY;
  /** Sequence of the newest message that was folded; 0 for none. */
  seq = 0;
  private readonly waiting = new Map<number, FollowedEvent>();

  constructor(private readonly log: Log, private readonly listeners: RegistryListeners = {}, private readonly told: () => boolean = () => true) {}

  /** Events without a verdict, oldest first. */
  get undecided(): readonly FollowedEvent[] {
    return [...this.waiting.values()];
  }

  /** Takes the next message of the stream; ones that were folded before are ignored. */
  take(message: RegistryMessage): void {
    if (message.seq <= this.seq) return;
    this.seq = message.seq;
    const [, , name = '', id = ''] = message.subject.split('.');
    if (name === 'verdict') this.takeVerdict(message, id);
    else this.takeEvent(message, name, id);
  }

  private takeEvent(message: RegistryMessage, name: string, id: string): void {
    const event = decodeEvent(name, message.data, { json: message.contentType.startsWith(JSON_CONTENT_TYPE), subjectId: id });
    const followed: FollowedEvent = { seq: message.seq, name, id, atMs: message.atMs, event };
    this.waiting.set(message.seq, followed);
    this.listeners.onEvent?.(followed);
  }

  private takeVerdict(message: RegistryMessage, eventSeq: string): void {
    const verdict = verdictCodec.decode(message.data);
    if (isRefusal(verdict) || String(verdict.eventSeq) !== eventSeq) {
      this.log.error({ seq: message.seq, reason: isRefusal(verdict) ? verdict.reason : 'its subject names another event' }, 'verdict skipped');
      return;
    }
    const followed = this.waiting.get(verdict.eventSeq);
    this.waiting.delete(verdict.eventSeq);
    if (verdict.accepted && followed) this.apply(followed);
    this.listeners.onVerdict?.(verdict, followed);
  }

  private apply(followed: FollowedEvent): void {
    const next = isRefusal(followed.event) ? followed.event : applyEvent(this.registry, followed.event);
    if (isRefusal(next)) {
      // Accepted by a version that knows more than this one. Every service of this version skips it alike.
      this.log.error({ seq: followed.seq, event: followed.name, id: followed.id, reason: next.reason }, 'accepted event skipped');
      return;
    }
    this.registry = next;
    if (this.told()) this.listeners.onChange?.(next, followed);
  }
}

export interface FollowRegistryOptions extends RegistryListeners {
  readonly nats: NatsConnection;
  readonly log: Log;
  /** Longest time to catch up in, ms. Default 30,000. */
  readonly limitMs?: DurationMs;
}

export interface RegistryFollower {
  readonly registry: Registry;
  readonly undecided: readonly FollowedEvent[];
  /** Sequence of the newest message that was folded. */
  readonly seq: number;
  /** For readiness: why the registry may be old, or undefined. */
  failing(): string | undefined;
  stop(): Promise<void>;
}

/** Resolves when everything that the stream held at the call is folded. @throws OperationError `timeout`, effect `none`. */
export async function followRegistry(options: FollowRegistryOptions): Promise<RegistryFollower> {
  const follower = new Follower(options);
  await follower.caughtUp(options.limitMs ?? 30_000);
  return follower;
}

/** First and longest pause between two tries to read again, ms. */
const RETRY_MS = { first: 100, most: 2_000 } as const;
/** A silent broker is noticed after two missed heartbeats. */
const PULL = { max_messages: 500, expires: 10_000, idle_heartbeat: 2_000 } as const;
const API_TIMEOUT_MS = 2_000;
const CONSUMER_GONE: ReadonlySet<string> = new Set(['reset', 'consumer_deleted', 'consumer_not_found', 'stream_not_found']);

class Follower implements RegistryFollower {
  private fold: RegistryFold;
  private messages: ConsumerMessages | undefined;
  private current = false;
  /** When the stream was made: tells another stream of the same name. */
  private created: string | undefined;
  private stopped = false;
  private trouble: string | undefined = 'not read yet';
  private becameCurrent = (): void => undefined;
  private readonly whenCurrent = new Promise<void>((resolve) => { this.becameCurrent = resolve; });
  private wake = (): void => undefined;
  private readonly done: Promise<void>;

  constructor(private readonly options: FollowRegistryOptions) {
    this.fold = this.newFold();
    void this.watchConnection();
    this.done = this.run();
  }

  get registry(): Registry { return this.fold.registry; }
  get undecided(): readonly FollowedEvent[] { return this.fold.undecided; }
  get seq(): number { return this.fold.seq; }
  failing(): string | undefined { return this.trouble; }

  async caughtUp(limitMs: DurationMs): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<'late'>((resolve) => { timer = setTimeout(() => resolve('late'), limitMs); });
    const first = await Promise.race([this.whenCurrent, this.done.then(() => 'late' as const), limit]);
    clearTimeout(timer);
    if (first !== 'late') return;
    const reason = this.trouble ?? 'still reading';
    await this.stop();
    throw new OperationError('timeout', `registry: not caught up within ${limitMs} ms (${reason})`, { effect: 'none' });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.trouble = 'stopped';
    this.messages?.stop();
    this.wake();
    await this.done;
  }

  private newFold(): RegistryFold {
    return new RegistryFold(this.options.log, this.options, () => this.current);
  }

  /** A broker that came back may have forgotten our consumer; the client would notice it only after a missed heartbeat. */
  private async watchConnection(): Promise<void> {
    for await (const status of this.options.nats.status()) {
      if (this.stopped) return;
      if (status.type === 'disconnect') this.trouble = 'no connection';
      else if (status.type === 'reconnect') this.messages?.stop();
    }
  }

  private async run(): Promise<void> {
    let pauseMs: number = RETRY_MS.first;
    while (!this.stopped && !this.options.nats.isClosed()) {
      const opened = await this.readOnce();
      pauseMs = opened ? RETRY_MS.first : Math.min(2 * pauseMs, RETRY_MS.most);
      if (!this.stopped) await this.pause(pauseMs);
    }
  }

  private pause(durationMs: DurationMs): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.wake = () => { clearTimeout(timer); resolve(); };
    });
  }

  /**
   * Reads until the connection or the consumer ends; answers whether there was anything to read from. Failures of the world
   * end in `trouble`; what a listener throws is our own mistake, and is thrown on.
   */
  private async readOnce(): Promise<boolean> {
    let opened: { readonly messages: ConsumerMessages; readonly lastSeq: number };
    try {
      opened = await this.open();
    } catch (error) {
      this.fail((error as Error).message);
      return false;
    }
    const { messages, lastSeq } = opened;
    this.messages = messages;
    if (this.stopped) messages.stop();
    void this.watchConsumer(messages);
    const incoming = messages[Symbol.asyncIterator]();
    try {
      if (this.fold.seq >= lastSeq) this.reachedEnd();
      for (;;) {
        const message = await this.next(incoming);
        if (!message || this.stopped) return true;
        this.fold.take({
          seq: message.seq, subject: message.subject, data: message.data, atMs: Number(message.timestampNanos / 1_000_000n),
          contentType: message.headers?.get('Content-Type') ?? '',
        });
        if (this.fold.seq >= lastSeq || message.info.pending === 0) this.reachedEnd();
      }
    } finally {
      // Lets the client's iterator run its own end, which a mere `stop` would leave in its queue.
      await incoming.return?.();
      messages.stop();
      this.messages = undefined;
    }
  }

  private async next(incoming: AsyncIterator<JsMsg>): Promise<JsMsg | undefined> {
    try {
      const { value, done } = await incoming.next();
      return done === true ? undefined : value;
    } catch (error) {
      this.fail((error as Error).message);
      return undefined;
    }
  }

  /** Where the client would begin a consumer anew by itself, we do: only we look first whether it is still the same stream. */
  private async watchConsumer(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) if (CONSUMER_GONE.has(type)) messages.stop();
  }

  /** The messages from behind the fold on, and the stream's last sequence at this moment, 0 when it holds nothing. */
  private async open(): Promise<{ readonly messages: ConsumerMessages; readonly lastSeq: number }> {
    const stream = STREAMS.registry.name;
    const manager = await jetstreamManager(this.options.nats, { timeout: API_TIMEOUT_MS });
    const { state, created } = await manager.streams.info(stream);
    if (state.last_seq < this.fold.seq || (this.created !== undefined && this.created !== created)) {
      this.options.log.error({ stream, created, lastSeq: state.last_seq, foldedSeq: this.fold.seq }, 'the registry stream is not the one that was read before; folding it anew');
      this.current = false;
      this.fold = this.newFold();
    }
    this.created = created;
    const consumer = await jetstream(this.options.nats, { timeout: API_TIMEOUT_MS }).consumers.get(stream, { opt_start_seq: this.fold.seq + 1 });
    return { messages: await consumer.consume({ ...PULL }), lastSeq: state.messages === 0 ? 0 : state.last_seq };
  }

  private reachedEnd(): void {
    this.trouble = undefined;
    if (this.current) return;
    this.current = true;
    this.options.onChange?.(this.fold.registry, undefined);
    this.becameCurrent();
  }

  private fail(reason: string): void {
    if (this.stopped) return;
    if (this.trouble !== reason) this.options.log.warn({ stream: STREAMS.registry.name, reason }, 'registry stream not readable; trying again');
    this.trouble = reason;
  }
}
