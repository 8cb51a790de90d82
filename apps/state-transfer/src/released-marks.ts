/** The gateway's high-water marks: up to which sequence of a shard the outputs have been released to the outside. */
import { refuse, type Clock, type ShardId } from '@godwit/kernel';
import type { Registry } from '@godwit/registry';
import { Malformed, type Log } from '@godwit/shell';
import { SUBJECTS } from '@godwit/wire';

const SEQUENCE = /^\d{1,16}$/;

export class ReleasedMarks {
  readonly malformed: Malformed;
  private readonly marks = new Map<ShardId, number>();

  constructor(private readonly parts: { readonly registry: () => Registry; readonly log: Log; readonly clock: Clock }) {
    this.malformed = new Malformed(parts.log, parts.clock);
  }

  /** The newest mark counts, also when it is lower: a gateway that starts again may know less. */
  take(subject: string, payload: Uint8Array): void {
    const shard = subject.slice(SUBJECTS.released('').length) as ShardId;
    const text = payload.length <= 16 ? Buffer.from(payload).toString('latin1') : '';
    const seq = SEQUENCE.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(seq)) return this.malformed.note(subject, refuse('malformed-message', 'a stream sequence as decimal text is expected'));
    // Shards that no thread is in need no mark; so the marks are as many as the shards at most.
    if ([...this.parts.registry().threads.values()].some((thread) => thread.shard === shard)) this.marks.set(shard, seq);
  }

  /** Undefined while none has come. */
  of(shard: ShardId): number | undefined {
    return this.marks.get(shard);
  }
}
