/**
 * Journal to runner: reads what the thread consumes, in stream order, and keeps what it has fed but not consumed, since
 * a runner drops that when it is frozen.
 *
 * Invariants: P1. At most WINDOW records are fed and unconsumed. P2. After `refeed(cursor)` the runner sees exactly the
 * records behind `cursor`, each once.
 */
import type { InstantMs, ThreadId } from '@godwit/kernel';
import type { JournalEntry, JournalReader } from '@godwit/journal';
import type { InputRecord } from '@godwit/runtime';

const WINDOW = 256;

/** What a thread took from a producer, since the last look. */
export interface Flow {
  records: number;
  bytes: number;
}

export class InputPump {
  private readonly window: InputRecord[] = [];
  private wake: (() => void) | undefined;
  private paused = false;
  private closed = false;
  private done: Promise<void> = Promise.resolve();
  private readonly stamps = new Map<number, InstantMs>();
  readonly flows = new Map<ThreadId, Flow>();
  arrived = 0;
  consumed = 0;

  constructor(private readonly thread: ThreadId, private readonly reader: JournalReader, private readonly feed: (records: readonly InputRecord[]) => void, private readonly onError: (error: Error) => void) {}

  start(): void {
    this.done = this.run().catch(this.onError);
  }

  private async run(): Promise<void> {
    for await (const entry of this.reader) {
      if (this.closed) return;
      const record = toInput(entry, this.thread);
      this.arrived++;
      if (entry.type === 'out') this.count(entry.thread, record);
      this.window.push(record);
      this.stamps.set(record.seq, entry.atMs);
      if (!this.paused) this.feed([record]);
      while (this.window.length >= WINDOW && !this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private count(producer: ThreadId, record: InputRecord): void {
    const flow = this.flows.get(producer) ?? { records: 0, bytes: 0 };
    flow.records++;
    for (const message of record.messages) flow.bytes += message.payload.length;
    this.flows.set(producer, flow);
  }

  onConsumed(seq: number): void {
    while (this.window.length > 0 && this.window[0]!.seq <= seq) {
      this.window.shift();
      this.consumed++;
    }
    this.wake?.();
  }

  /** The journal's stamp of the record that caused an output; forgotten once a later one has been asked for. */
  stampOf(seq: number): InstantMs | undefined {
    const at = this.stamps.get(seq);
    for (const known of this.stamps.keys()) {
      if (known >= seq) break;
      this.stamps.delete(known);
    }
    return at;
  }

  pause(): void {
    this.paused = true;
  }

  /** After the runner was frozen at `cursorSeq`: everything behind it again, then on. */
  refeed(cursorSeq: number): void {
    this.onConsumed(cursorSeq);
    this.paused = false;
    if (this.window.length > 0) this.feed([...this.window]);
  }

  get backlog(): number {
    return this.window.length + this.reader.pending();
  }
  /** Broker's time of the oldest record that is not consumed. */
  get oldestMs(): InstantMs | undefined {
    const first = this.window[0];
    return first && this.stamps.get(first.seq);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.wake?.();
    await this.reader.close();
    await this.done;
  }
}

function toInput(entry: JournalEntry, thread: ThreadId): InputRecord {
  if (entry.type === 'out') {
    const { record } = entry;
    return { seq: entry.seq, atMs: entry.atMs, from: entry.thread, originMs: record.originMs, messages: record.messages, end: false };
  }
  const { kind, messages } = entry.record;
  if (entry.thread !== thread) throw new Error(`input of ${entry.thread} was read for ${thread}`);
  return { seq: entry.seq, atMs: entry.atMs, from: kind === 'timer' ? 'timer' : 'in', originMs: kind === 'message' ? entry.atMs : 0, messages, end: kind === 'end' };
}
