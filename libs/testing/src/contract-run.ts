/** Drives one thread for the contract suite: starts it, feeds it, moves it through snapshot bytes, and keeps what it said. */
import { createHash } from 'node:crypto';
import { nodeImagePort } from '@godwit/bulk';
import { isRefusal, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import { ImageCopier, ImageTarget } from '@godwit/live-copy';
import type { InputRecord, Runtime, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { decodeSnapshot, encodeSnapshot, type ThreadOutput, type ThreadSnapshot, type Utf8 } from '@godwit/snapshot';

export const sha256Of: Sha256Of = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};
export const utf8: Utf8 = { encode: (text) => new TextEncoder().encode(text), decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes) };

/** Every wait of the suite ends after this, ms. */
export const CONTRACT_TIMEOUT_MS = 60_000;

/** @throws Error naming what did not happen in time. */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs = CONTRACT_TIMEOUT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws Error with the reason when `value` is a refusal. */
export function granted<T>(value: T | Refusal): T {
  if (isRefusal(value)) throw new Error(`refused: ${value.code}: ${value.reason}`);
  return value;
}

/** A snapshot as another machine would get it: through its bytes. */
export function throughBytes(snapshot: ThreadSnapshot): ThreadSnapshot {
  return granted(decodeSnapshot(Buffer.concat(encodeSnapshot(snapshot, utf8)), utf8));
}

/** One thread over all of its instances. */
export class ContractRun {
  readonly outputs: ThreadOutput[] = [];
  readonly consumed: number[] = [];
  readonly faults: Refusal[] = [];
  exitCode: number | undefined;
  moves = 0;
  private instance: ThreadInstance | undefined;
  private watchers: (() => void)[] = [];

  constructor(private readonly runtime: Runtime, private readonly program: ThreadProgram, private readonly inputs: readonly InputRecord[]) {}

  get thread(): ThreadInstance {
    if (!this.instance) throw new Error('the run has no instance');
    return this.instance;
  }
  get ended(): boolean {
    return this.exitCode !== undefined || this.faults.length > 0;
  }
  private noticed(): void {
    for (const watcher of this.watchers.splice(0)) watcher();
  }

  /** A new instance; events of one that was stopped are not heard any more. */
  async prepare(): Promise<ThreadInstance> {
    return (this.instance = await this.prepareBeside());
  }

  /** A new instance beside the one that runs; it is heard once it takes its place. */
  private async prepareBeside(): Promise<ThreadInstance> {
    const isCurrent = (): boolean => this.instance === prepared;
    const prepared: ThreadInstance = granted(await this.runtime.prepare(this.program, {
      onOutput: (output) => { if (isCurrent()) { this.outputs.push(output); this.noticed(); } },
      onConsumed: (seq) => { if (isCurrent()) { this.consumed.push(seq); this.noticed(); } },
      onFault: (fault) => { if (isCurrent()) { this.faults.push(fault); this.noticed(); } },
      onExit: (code) => { if (isCurrent()) { this.exitCode = code; this.noticed(); } },
    }, sha256Of));
    return prepared;
  }

  async start(): Promise<void> {
    granted(await (await this.prepare()).start());
  }

  /** Feeds what the thread has not consumed, up to `count` records. */
  feed(count = this.inputs.length): void {
    const cursor = this.consumed[this.consumed.length - 1] ?? 0;
    this.thread.feed(this.inputs.filter((r) => r.seq > cursor).slice(0, count));
  }

  /** Waits until `condition` holds, looking again at each event of the thread. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const happened = async (): Promise<void> => {
      while (!condition()) await new Promise<void>((resolve) => this.watchers.push(resolve));
    };
    await within(happened(), what);
  }
  /** Waits until the program has computed a little further, or has ended. */
  async progress(): Promise<void> {
    const before = this.thread.sample().polls;
    const happened = async (): Promise<void> => {
      while (!this.ended && this.thread.sample().polls === before) await new Promise<void>((resolve) => setTimeout(resolve, 1));
    };
    await within(happened(), 'a poll of the program');
  }
  async untilEnd(): Promise<void> {
    await this.until(() => this.ended, 'the end of the program');
  }

  async freeze(): Promise<void> {
    granted(await within(this.thread.freeze(), 'the freeze'));
  }

  /** Freezes (unless it has), takes the snapshot, stops this instance, rebuilds the thread in another one, frozen. */
  async move(): Promise<ThreadSnapshot> {
    await this.freeze();
    const snapshot = granted(await this.thread.snapshot());
    await this.thread.stop();
    const target = await this.prepare();
    granted(await within(Promise.resolve(target.restore(throughBytes(snapshot))), 'the restore'));
    this.moves++;
    return snapshot;
  }

  /**
   * Copies the thread while it runs, in `rounds` rounds with `between` after each, then freezes it, copies what is left and
   * goes on in another instance, frozen. @returns bytes of the deltas, round by round, the one of the freeze last
   */
  async moveLive(rounds: number, between: () => Promise<void>): Promise<number[]> {
    const source = this.thread;
    const target = await this.prepareBeside();
    const [from, to] = [source.image, target.image];
    if (!from || !to) throw new Error('the runtime has no image to copy');
    const copier = new ImageCopier(nodeImagePort, from.maximumBytes);
    const held = new ImageTarget(nodeImagePort.hash);
    const copyRound = async (): Promise<number> => {
      const written = from.written?.();
      const live = granted(await from.view());
      if (live.length > held.imageBytes) held.use(granted(await to.stage(live.length)).subarray(0, live.length));
      let bytes = 0;
      held.begin();
      for (const piece of copier.round(live, written)) {
        for (const part of piece.parts) if (held.take(part)) throw new Error('the target refused a delta of its source');
        bytes += piece.bytes;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return bytes;
    };
    const sent: number[] = [];
    for (let round = 0; round < rounds; round++) {
      sent.push(await copyRound());
      await between();
    }
    await this.freeze();
    sent.push(await copyRound());
    const rest = granted(await from.rest());
    const digest = copier.stateDigest(encodeSnapshot(rest, utf8), sha256Of);
    granted(await within(Promise.resolve(to.restore(throughBytes(rest))), 'the restore'));
    const theirs = granted(held.stateDigest(encodeSnapshot(granted(await to.rest()), utf8), sha256Of));
    if (theirs !== digest) throw new Error(`the copy's digest ${theirs} is not the source's ${digest}`);
    this.instance = target;
    await source.stop();
    this.moves++;
    return sent;
  }

  async stop(): Promise<void> {
    await this.instance?.stop();
  }
}
