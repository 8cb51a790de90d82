/**
 * Follows a stream from its beginning, in order, for as long as the gateway lives: through lost connections, restarts of
 * the broker and changes of leader.
 */
import { isRefusal, OperationError, type InstantMs } from '@godwit/kernel';
import { DeliverPolicy, jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { NatsLink } from '@godwit/nats';
import type { Log } from '@godwit/shell';

export interface StreamRecord {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly atMs: InstantMs;
}
export interface Followed {
  /** True once everything that stood in the stream at the beginning was taken. */
  readonly caughtUp: boolean;
  readonly whenCaughtUp: Promise<void>;
  stop(): Promise<void>;
}
export interface FollowOptions {
  readonly stream: string;
  readonly filters: readonly string[];
  readonly take: (record: StreamRecord) => unknown;
}

const HEARTBEAT_MS = 5_000;
const REOPEN_MS = 500;
const BATCH = 1_000;

export function followStream(link: NatsLink, log: Log, options: FollowOptions): Followed {
  const follower = new Follower(link, log, options);
  void follower.run();
  return follower;
}

class Follower implements Followed {
  caughtUp = false;
  readonly whenCaughtUp: Promise<void>;
  private readonly tellCaughtUp: () => void;
  private readonly ended = new AbortController();
  private messages: ConsumerMessages | undefined;
  private lastSeq = 0;

  constructor(private readonly link: NatsLink, private readonly log: Log, private readonly options: FollowOptions) {
    let tell = (): void => undefined;
    this.whenCaughtUp = new Promise((resolve) => { tell = resolve; });
    this.tellCaughtUp = tell;
  }

  async run(): Promise<void> {
    while (!this.ended.signal.aborted && !this.link.nc.isClosed()) {
      try {
        await this.readOn();
      } catch (error) {
        if (!this.ended.signal.aborted) this.log.warn({ stream: this.options.stream, err: error }, 'reading a stream broke off; it goes on where it was');
      }
      if (!this.ended.signal.aborted) await this.pause();
    }
  }

  private async readOn(): Promise<void> {
    const { stream, filters } = this.options;
    const consumer = await jetstream(this.link.nc).consumers.get(stream, {
      filter_subjects: [...filters], deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.lastSeq + 1,
    });
    if ((await consumer.info()).num_pending === 0) this.markCaughtUp();
    this.messages = await consumer.consume({ max_messages: BATCH, idle_heartbeat: HEARTBEAT_MS });
    if (this.ended.signal.aborted) return void this.messages.close();
    for await (const message of this.messages) {
      this.take(message);
      if (message.info.pending === 0) this.markCaughtUp();
    }
  }

  private take(message: JsMsg): void {
    if (message.seq <= this.lastSeq) {
      throw new OperationError('broker-regressed', `${this.options.stream}: record ${message.seq} was delivered behind ${this.lastSeq}`, { effect: 'none' });
    }
    this.lastSeq = message.seq;
    const record: StreamRecord = {
      seq: message.seq, subject: message.subject, data: message.data, atMs: Number(message.timestampNanos / 1_000_000n),
    };
    const refusal = this.options.take(record);
    if (isRefusal(refusal)) this.log.warn({ stream: this.options.stream, seq: record.seq, subject: record.subject, reason: refusal.reason }, 'skipped a record that is not of its kind');
  }

  private markCaughtUp(): void {
    this.caughtUp = true;
    this.tellCaughtUp();
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, REOPEN_MS);
      this.ended.signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
    });
  }

  async stop(): Promise<void> {
    this.ended.abort();
    await this.messages?.close();
  }
}
