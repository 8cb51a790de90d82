/** Outputs of a thread from the journal to the outside: pages, and streams that go on. Nothing is released before `Told` has it. */
import type { OutRecord, Journal, Stored, ThreadAddress } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { Told } from './told.js';

export interface OutputJson {
  readonly n: number;
  /** Sequence in the shard's journal. */
  readonly seq: number;
  readonly atMs: number;
  readonly epoch: number;
  readonly causedBySeq: number;
  readonly originMs: number;
  readonly messages: readonly { readonly kind: string; readonly payload: string; readonly text?: string }[];
  readonly exit?: { readonly code: number };
  readonly hash: string;
}
export interface OutputPage {
  readonly items: readonly OutputJson[];
  /** Number to ask on after. */
  readonly next: number;
  /** True when the thread had no more at that moment. */
  readonly end: boolean;
}

/** A page ends early behind this much payload. */
const PAGE_BYTES = 4 * 1024 * 1024;
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Outputs {
  constructor(private readonly journal: Pick<Journal, 'readOutputs' | 'tail' | 'ensureShard'>, private readonly told: Told) {}

  /** @param last the newest so many, instead of those after a number. */
  async page(spec: ThreadSpec, from: { readonly after: number } | { readonly last: number }, limit: number): Promise<OutputPage> {
    const at = await this.open(spec);
    const { outN } = await this.journal.tail(at);
    const afterN = 'after' in from ? from.after : Math.max(0, outN - from.last);
    const found: Stored<OutRecord>[] = [];
    let pageBytes = 0;
    if (afterN < outN) {
      const reader = await this.journal.readOutputs(at, { afterN, follow: false });
      try {
        for await (const output of reader) {
          found.push(output);
          pageBytes += payloadBytes(output.record);
          if (found.length >= limit || pageBytes >= PAGE_BYTES) break;
        }
      } finally {
        await reader.close();
      }
    }
    const newest = found.at(-1);
    if (newest) await this.told.note(spec.shard, newest.seq);
    return { items: found.map(outputJson), next: newest?.record.n ?? afterN, end: (newest?.record.n ?? afterN) >= outN };
  }

  /** Ends when `signal` does. @throws RefusedError, OperationError */
  async *follow(spec: ThreadSpec, afterN: number, signal: AbortSignal): AsyncGenerator<OutputJson, void, void> {
    const at = await this.open(spec);
    const { outN } = await this.journal.tail(at);
    const reader = await this.journal.readOutputs(at, { afterN, follow: true });
    const place = this.told.openReader(spec.shard);
    if (afterN < outN) place.hold(0);
    const close = (): void => void reader.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      if (signal.aborted) return;
      for await (const output of reader) {
        if (signal.aborted) return;
        await this.told.note(spec.shard, output.seq);
        place.hold(output.seq - 1);
        yield outputJson(output);
        if (output.record.n < outN) place.hold(output.seq);
        else place.free();
      }
    } finally {
      signal.removeEventListener('abort', close);
      place.close();
      await reader.close();
    }
  }

  private async open({ shard, thread }: ThreadSpec): Promise<ThreadAddress> {
    await this.told.guard(shard);
    // A thread that was never placed has no stream yet; reading then waits for its first output.
    await this.journal.ensureShard(shard);
    return { shard, thread };
  }
}

const payloadBytes = (record: OutRecord): number => record.messages.reduce((sum, { payload }) => sum + payload.length, 0);

export function outputJson({ seq, atMs, record }: Stored<OutRecord>): OutputJson {
  const { n, epoch, causedBySeq, originMs, exit, hash, messages } = record;
  return {
    n, seq, atMs, epoch, causedBySeq, originMs, ...(exit ? { exit } : {}), hash,
    messages: messages.map(({ kind, payload }) => ({ kind, payload: Buffer.from(payload).toString('base64'), ...textOf(payload) })),
  };
}

/** Present when the bytes are valid UTF-8. */
function textOf(payload: Uint8Array): { text?: string } {
  try {
    return { text: text.decode(payload) };
  } catch {
    return {};
  }
}
