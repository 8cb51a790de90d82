/**
 * The stream that feeds a shadow, on a connection that proved itself at the door; as long as both sides live.
 *
 *   receiver → "GO\n\n"
 *   sender   → "GDWF" · u32 version
 *   sender   → messages: u32 bytes of the head · head (JSON) · the part's bytes, as many as the head says
 *                part     a checkpoint that is durable: its marks, the digest of its state, and the bytes of one part
 *                current  no bytes: checkpoint `k` is still what the thread's state comes to
 *   receiver → after each part "ACK\n" · u64 k, once its state stands there with that digest
 *
 * The head is JSON because there are few of them and each can be looked at; it is material like all that comes.
 */
import { isSha256, refuse, type Refusal, type Sha256 } from '@godwit/kernel';

export const FEED_MAGIC = 0x46574447; // "GDWF"
export const FEED_VERSION = 1;
export const MOST_FEED_HEAD_BYTES = 4_096;
export const FEED_ACK = Buffer.from('ACK\n');

export interface FedPart {
  readonly type: 'part';
  readonly k: number;
  /** Of the owner that took it. */
  readonly epoch: number;
  readonly cursorSeq: number;
  readonly outN: number;
  readonly digest: Sha256;
  /** That follow. */
  readonly bytes: number;
  /** From the freeze of the checkpoint until it was sent. */
  readonly ageMs: number;
}
export interface FedCurrent {
  readonly type: 'current';
  readonly k: number;
  readonly epoch: number;
}
export type FeedHead = FedPart | FedCurrent;

export function encodeFeedHead(head: FeedHead): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const bytes = Buffer.alloc(4 + text.length);
  bytes.writeUInt32LE(text.length, 0);
  text.copy(bytes, 4);
  return bytes;
}

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export function decodeFeedHead(text: Buffer): FeedHead | Refusal {
  const malformed = (what: string): Refusal => refuse('malformed-message', `shadow feed: ${what}`);
  let given: unknown;
  try {
    given = JSON.parse(text.toString('utf8'));
  } catch {
    return malformed('a head that is not JSON');
  }
  if (typeof given !== 'object' || given === null) return malformed('a head that is no object');
  const { type, k, epoch, cursorSeq, outN, digest, bytes, ageMs } = given as Record<string, unknown>;
  if (!whole(k) || k < 1 || !whole(epoch) || epoch < 1) return malformed('a head without checkpoint or epoch');
  if (type === 'current') return { type, k, epoch };
  if (type !== 'part') return malformed('a head of a kind that is not known');
  if (!whole(cursorSeq) || !whole(outN) || !isSha256(digest) || !whole(bytes) || bytes === 0 || typeof ageMs !== 'number' || !(ageMs >= 0)) return malformed('a head with a field that is missing or out of range');
  return { type, k, epoch, cursorSeq, outN, digest: digest as Sha256, bytes, ageMs };
}
