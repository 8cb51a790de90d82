/**
 * Answers to requests. A request is an input whose sender waits; its answer is the first output that names it as its
 * cause. Both are records of the journal, so an answer is the same however often it is asked for, and whichever device
 * the thread runs on by then: a migration in between is a delay and nothing else.
 *
 * Invariants:
 *  A1. An answer is released through `Outputs`, hence on disk in `Told` before anybody sees it.
 *  A2. Outputs name their causes in rising order, so an output with a later cause proves that an earlier request was
 *      served without an answer.
 *  A3. A thread's outputs are read once, however many wait for answers of it; nobody waiting, nothing is read.
 */
import { OperationError, refuse, type DurationMs, type Refusal, type ThreadId } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { OutputJson, Outputs } from './outputs.js';

/** Null: the thread took the request and put out nothing for it. */
export type Answer = OutputJson | null;

/** Newest answers that are kept for requests whose acknowledgement is slower than their answer. */
const RECENT = 4_096;
/** A thread is read on for so long after the last answer, since requests come in rows. */
const LINGER_MS: DurationMs = 5_000;

interface Waiter {
  readonly seq: number;
  readonly settle: (answer: Answer) => void;
}

/** The outputs of one thread, read while someone waits. */
class Listener {
  private readonly recent = new Map<number, OutputJson>();
  private readonly waiters = new Set<Waiter>();
  private readonly ended = new AbortController();
  private newestCause = 0;
  private users = 0;
  private linger: NodeJS.Timeout | undefined;
  failure: Error | undefined;

  constructor(outputs: Outputs, spec: ThreadSpec, afterN: number, private readonly onClosed: () => void) {
    void this.read(outputs.follow(spec, afterN, this.ended.signal));
  }

  private async read(outputs: AsyncGenerator<OutputJson, void, void>): Promise<void> {
    try {
      for await (const output of outputs) this.take(output);
    } catch (error) {
      this.failure = error as Error;
    }
    this.failure ??= new OperationError('connection-lost', 'the gateway reads the outputs no longer', { effect: 'unknown' });
    this.close();
    for (const waiter of this.waiters) this.settle(waiter, null);
  }

  private take(output: OutputJson): void {
    this.newestCause = Math.max(this.newestCause, output.causedBySeq);
    if (!this.recent.has(output.causedBySeq)) this.recent.set(output.causedBySeq, output);
    if (this.recent.size > RECENT) this.recent.delete(this.recent.keys().next().value!);
    for (const waiter of this.waiters) {
      if (waiter.seq === output.causedBySeq) this.settle(waiter, output);
      else if (waiter.seq < output.causedBySeq) this.settle(waiter, null);
    }
  }

  private settle(waiter: Waiter, answer: Answer): void {
    if (this.waiters.delete(waiter)) waiter.settle(answer);
  }

  enter(): void {
    this.users++;
    clearTimeout(this.linger);
  }
  leave(): void {
    if (--this.users === 0) this.linger = setTimeout(() => this.close(), LINGER_MS);
  }
  close(): void {
    if (this.ended.signal.aborted) return;
    clearTimeout(this.linger);
    this.ended.abort();
    this.onClosed();
  }

  /** Undefined when the time was up first. */
  wait(seq: number, timeoutMs: DurationMs): Promise<Answer | undefined> {
    const known = this.recent.get(seq);
    if (known || this.newestCause > seq) return Promise.resolve(known ?? null);
    return new Promise((resolve) => {
      const waiter: Waiter = { seq, settle: (answer) => { clearTimeout(timer); resolve(answer); } };
      const timer = setTimeout(() => { this.waiters.delete(waiter); resolve(undefined); }, timeoutMs);
      this.waiters.add(waiter);
    });
  }
}

export class Answers {
  private readonly listeners = new Map<ThreadId, Promise<Listener>>();

  constructor(private readonly outputs: Outputs, private readonly journal: Pick<Journal, 'tail' | 'ensureShard'>) {}

  /**
   * Appends a request by `append` and waits for its answer.
   * @throws what `append` and the journal throw. A timeout is a refusal that names the request: asked again, it waits on.
   */
  async to(spec: ThreadSpec, append: () => Promise<{ readonly requestId: string; readonly seq: number; readonly duplicate: boolean }>, timeoutMs: DurationMs): Promise<{ readonly seq: number; readonly duplicate: boolean; readonly requestId: string; readonly answer: Answer } | Refusal> {
    const listener = await this.listen(spec);
    listener.enter();
    try {
      const receipt = await append();
      const { seq, duplicate, requestId } = receipt;
      const before = duplicate ? await this.search(spec, seq) : undefined;
      const answer = before === undefined ? await listener.wait(seq, timeoutMs) : before;
      if (listener.failure) throw listener.failure;
      if (answer === undefined) return refuse('timeout', `request ${requestId} is in the journal at ${seq} and was not answered within ${timeoutMs} ms; asked again with the same id, it is not served twice`, 'timeoutMs');
      return answer !== null && 'refused' in answer ? answer : { requestId, seq, duplicate, answer };
    } finally {
      listener.leave();
    }
  }

  /** Reads from where the thread stands: what it answers from now on is seen. */
  private listen(spec: ThreadSpec): Promise<Listener> {
    const known = this.listeners.get(spec.thread);
    if (known) return known;
    const forget = (): void => void this.listeners.delete(spec.thread);
    const opened = (async () => {
      await this.journal.ensureShard(spec.shard);
      const { outN } = await this.journal.tail({ shard: spec.shard, thread: spec.thread });
      return new Listener(this.outputs, spec, outN, forget);
    })();
    this.listeners.set(spec.thread, opened);
    opened.catch(forget); // whoever asked gets the failure; the next one tries anew
    return opened;
  }

  /** The answer to a request that was made before: undefined when the thread has not come to it yet. */
  private async search(spec: ThreadSpec, seq: number): Promise<Answer | Refusal | undefined> {
    const { outN } = await this.journal.tail({ shard: spec.shard, thread: spec.thread });
    let [low, high] = [0, outN]; // the first output that is not caused by something earlier has a number in (low, high]
    let found: OutputJson | undefined;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const output = (await this.outputs.page(spec, { after: middle }, 1)).items[0];
      if (output && output.causedBySeq < seq) low = Math.max(middle + 1, output.n);
      else [high, found] = [middle, output ?? found];
    }
    if (!found) return undefined;
    if (found.causedBySeq === seq) return found;
    const first = (await this.outputs.page(spec, { after: 0 }, 1)).items[0];
    const purged = first !== undefined && first.n > 1 && found.n === first.n;
    return purged ? refuse('not-found', `the answer to the request at ${seq} is no longer kept: outputs before ${first.n} were purged`, 'requestId') : null;
  }

  close(): void {
    for (const opened of this.listeners.values()) opened.then((listener) => listener.close(), () => undefined);
  }
}
