/**
 * Server-sent events. Every event has an `id`, by which a client that comes back (`Last-Event-ID`) goes on; a comment every
 * 15 s tells that the stream lives; a slow client holds its own stream back, nobody else's.
 */
import { refuse, type DurationMs } from '@godwit/kernel';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from './fastify.js';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { problemOfError } from './problem.js';
import { RefusedError } from './refused.js';

export const HEARTBEAT_MS: DurationMs = 15_000;
/** Streams at once; one more is refused. */
export const MAX_STREAMS = 500;
/** A browser tries again after so long. */
const RETRY_MS: DurationMs = 1_000;

export interface StreamedEvent {
  readonly id: number;
  readonly data: unknown;
}

@Injectable()
export class EventStreams {
  private readonly open = new Set<AbortController>();

  constructor(private readonly heartbeatMs: DurationMs = HEARTBEAT_MS) {}

  /** Answers with the events of `source` until it ends, the client leaves or the gateway closes. Resolves then. */
  async serve(reply: FastifyReply, source: (signal: AbortSignal) => AsyncIterable<StreamedEvent>): Promise<void> {
    if (this.open.size >= MAX_STREAMS) throw new RefusedError(refuse('limit-exceeded', `this gateway serves at most ${MAX_STREAMS} event streams at once`));
    const ended = new AbortController();
    this.open.add(ended);
    reply.hijack();
    const response = reply.raw;
    response.once('close', () => ended.abort());
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    response.write(`retry: ${RETRY_MS}\n\n`);
    const heartbeat = setInterval(() => { if (!response.writableNeedDrain) response.write(': alive\n\n'); }, this.heartbeatMs);
    try {
      for await (const { id, data } of source(ended.signal)) await write(response, `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`, ended.signal);
    } catch (error) {
      // The status is sent already; the client hears of the failure as an event of its own kind.
      if (!ended.signal.aborted) response.write(`event: problem\ndata: ${JSON.stringify(problemOfError(error))}\n\n`);
    } finally {
      clearInterval(heartbeat);
      this.open.delete(ended);
      response.end();
    }
  }

  closeAll(): void {
    for (const stream of this.open) stream.abort();
  }
}

/** Waits for a client that reads slower than we write. */
async function write(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || response.write(text)) return;
  await once(response, 'drain', { signal }).catch((error: Error) => { if (error.name !== 'AbortError') throw error; });
}
