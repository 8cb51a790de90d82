/**
 * A client that asks the thread one request after another, asks again under the same id until it has the answer, and
 * keeps what it was told. A request counts as done only with an answer, so at the end each has exactly one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SeenAnswer } from './check.js';
import { until } from './until.js';

const ASKERS = 2;
const PACE_MS = 15;
const ANSWER_MS = 3_000;
const RETRY_MS = 100;
/** Answers that only mean "not now". */
const LATER = new Set([503, 504]);

interface Reply { readonly requestId: string; readonly seq: number; readonly answer: { readonly n: number; readonly messages: readonly { readonly text: string }[] } | null }

export class Feed {
  readonly seen: SeenAnswer[] = [];
  /** What the API answered that it never should. */
  readonly wrong: string[] = [];
  /** Requests that had to be asked again. */
  retries = 0;
  /** When the last request that has an answer was asked. */
  lastAskedMs = 0;
  private asked = 0;
  private stopped = false;
  private gaveUp = false;
  private readonly askers: Promise<void>[];

  constructor(private readonly url: () => string, private readonly thread: string) {
    this.askers = Array.from({ length: ASKERS }, () => this.askOn());
  }

  private async askOn(): Promise<void> {
    while (!this.stopped) {
      await this.ask(`${this.thread}-${++this.asked}`);
      await delay(PACE_MS);
    }
  }

  private async ask(requestId: string): Promise<void> {
    for (;;) {
      const askedMs = performance.now();
      const reply = await this.once(requestId);
      if (reply) {
        this.seen.push({ requestId, seq: reply.seq, answer: reply.answer === null ? undefined : { n: reply.answer.n, text: reply.answer.messages.map(({ text }) => text).join('') } });
        this.lastAskedMs = Math.max(this.lastAskedMs, askedMs);
        return;
      }
      if (this.gaveUp) return;
      this.retries++;
      await delay(RETRY_MS);
    }
  }

  private async once(requestId: string): Promise<Reply | undefined> {
    let response: Response;
    try {
      response = await fetch(new URL(`/v1/threads/${this.thread}/requests?timeoutMs=${ANSWER_MS}`, this.url()), {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ requestId, messages: [{ text: `${requestId}\n` }] }), signal: AbortSignal.timeout(4 * ANSWER_MS),
      });
      if (response.ok) return (await response.json()) as Reply;
      const body = await response.text();
      // A gateway that has just been started may not have read the registry.
      if (!LATER.has(response.status) && response.status !== 404) this.wrong.push(`${requestId}: ${response.status} ${body}`);
    } catch (error) {
      if (!(error instanceof Error)) throw error; // the gateway is away, or says nothing: asked again
    }
    return undefined;
  }

  /** Resolves when a request that is asked from now on has its answer. @throws Error. */
  async answersAgain(limitMs: number): Promise<void> {
    const fromMs = performance.now();
    await until(`thread ${this.thread} answers`, limitMs, () => this.lastAskedMs >= fromMs);
  }

  /** Ends when every request has its answer. @throws Error that names how many have none. */
  async finish(limitMs: number): Promise<void> {
    this.stopped = true;
    const late = delay(limitMs, 'late' as const, { ref: false });
    if ((await Promise.race([Promise.all(this.askers), late])) !== 'late') return;
    this.gaveUp = true;
    throw new Error(`${this.asked - this.seen.length} requests to ${this.thread} have no answer after ${limitMs / 1000} s`);
  }

  /** Asks some requests anew; each must get the answer that it had. */
  async askAgain(count: number): Promise<string[]> {
    const found: string[] = [];
    const step = Math.max(1, Math.floor(this.seen.length / count));
    for (const before of this.seen.filter((_seen, i) => i % step === 0)) {
      const reply = await until(`a repeated answer to ${before.requestId}`, 30_000, () => this.once(before.requestId));
      const text = reply.answer?.messages.map((message) => message.text).join('');
      if (reply.seq !== before.seq || reply.answer?.n !== before.answer?.n || text !== before.answer?.text) found.push(`request ${before.requestId} has a second answer: ${JSON.stringify(reply.answer)} instead of ${JSON.stringify(before.answer)}`);
    }
    return found;
  }
}
