/** The shadow's end of its feed: reads one message after the other; the first thing that does not fit ends it. */
import type { Socket } from 'node:net';
import { isRefusal, OperationError, refuse, type DurationMs, type Refusal } from '@godwit/kernel';
import { ExactReader, GO, write } from './exact-reader.js';
import { decodeFeedHead, FEED_ACK, FEED_MAGIC, FEED_VERSION, MOST_FEED_HEAD_BYTES, type FedCurrent, type FedPart } from './shadow-frames.js';

export interface FeedSink {
  /** A part has begun; `read` gives its bytes, which must all be drawn. Refused: the feed ends. */
  part(head: FedPart, read: (bytes: number) => Promise<Buffer>): Promise<Refusal | undefined>;
  current(head: FedCurrent): void;
}

/**
 * Says "go" and follows until the connection ends. Never throws: resolves with why it ended.
 * @param options `maxBytes` of one part; `silenceMs`: a source that says nothing for so long is gone
 */
export async function followFeed(socket: Socket, sink: FeedSink, options: { readonly maxBytes: number; readonly silenceMs: DurationMs }): Promise<string> {
  const reader = new ExactReader(socket, undefined);
  const silence = setTimeout(() => socket.destroy(new Error(`nothing came for ${options.silenceMs} ms`)), options.silenceMs);
  const read = async (bytes: number): Promise<Buffer> => {
    const taken = await reader.take(bytes);
    silence.refresh();
    return taken;
  };
  try {
    await write(socket, GO);
    const prelude = await read(8);
    if (prelude.readUInt32LE(0) !== FEED_MAGIC || prelude.readUInt32LE(4) !== FEED_VERSION) return 'it does not begin with "GDWF" and a version that is known here';
    for (;;) {
      const refused = await message(socket, sink, read, options.maxBytes);
      if (refused) return refused.reason;
    }
  } catch (error) {
    if (error instanceof OperationError) return error.message;
    throw error;
  } finally {
    clearTimeout(silence);
    reader.close();
    socket.on('error', () => undefined); // its end is known already
    socket.destroy();
  }
}

async function message(socket: Socket, sink: FeedSink, read: (bytes: number) => Promise<Buffer>, maxBytes: number): Promise<Refusal | undefined> {
  const headBytes = (await read(4)).readUInt32LE(0);
  if (headBytes === 0 || headBytes > MOST_FEED_HEAD_BYTES) return refuse('malformed-message', `shadow feed: a head of ${headBytes} bytes`);
  const head = decodeFeedHead(await read(headBytes));
  if (isRefusal(head)) return head;
  if (head.type === 'current') {
    sink.current(head);
    return undefined;
  }
  if (head.bytes > maxBytes) return refuse('payload-too-large', `shadow feed: a part of ${head.bytes} bytes announced, at most ${maxBytes} are allowed`);
  const refused = await sink.part(head, read);
  if (refused) return refused;
  const ack = Buffer.alloc(FEED_ACK.length + 8);
  FEED_ACK.copy(ack);
  ack.writeBigUInt64LE(BigInt(head.k), FEED_ACK.length);
  await write(socket, ack);
  return undefined;
}
