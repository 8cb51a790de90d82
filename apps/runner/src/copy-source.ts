/**
 * The source's side of a copy: rounds beside the running thread, then the last one while it stands still. Not in the
 * queue of requests: a copy takes seconds, and a checkpoint must not wait for it.
 *
 * Invariants: S1. Whatever becomes of the copy, the thread's speed is given back. S2. Rounds and the final round never
 * overlap: a freeze breaks off the round that is under way; after a freeze that was for a checkpoint they go on. S3. A copy ends within its time.
 */
import type { Socket } from 'node:net';
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import { LiveSender, nodeImagePort, sendSnapshot } from '@godwit/bulk';
import { DEFAULT_PRECOPY, ImageCopier, PRECOPY_START, precopyStep, type PrecopyLimits, type RoundReport } from '@godwit/live-copy';
import type { CopiedMark, CopyProgress, LiveImage, ThreadInstance } from '@godwit/runtime';
import { encodeSnapshot, type ThreadOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { sha256, utf8 } from '@godwit/shell/platform';
import type { WrittenReader } from './written-ledger.js';

export interface CopyParts {
  readonly instance: ThreadInstance;
  /** Checkpoints look at the same writes. */
  readonly written: WrittenReader;
  readonly socket: Socket;
  readonly freezeBudgetMs: number;
  readonly timeoutMs: number;
  readonly tell: (progress: CopyProgress) => void;
  /** The thread may run at this share of the speed that it would have; 1 gives it back. */
  readonly slow: (dutyRatio: number) => void;
}

/** Between two rounds of a copy that is ready and waits for the freeze. */
const SHORTEST_PAUSE_MS = 10;
const NOTHING: CopyProgress = { state: 'copying', rounds: 0, imageBytes: 0, dirtyBytes: 0, wireBytes: 0, bytesPerSecond: 0, dirtyBytesPerSecond: 0, dutyRatio: 1 };

export class CopySource {
  private sender: LiveSender | undefined;
  private copier: ImageCopier | undefined;
  private stopping = false;
  private held = false;
  private progress: CopyProgress = NOTHING;
  private wake: () => void = () => undefined;
  private readonly rounds: Promise<void>;

  constructor(private readonly parts: CopyParts) {
    const { image } = parts.instance;
    this.rounds = (image ? this.copyRounds(image) : Promise.resolve(this.say({ state: 'ready' }))).catch((error: unknown) => this.failed(error));
  }

  private say(change: Partial<CopyProgress>): void {
    this.progress = { ...this.progress, ...change };
    this.parts.tell(this.progress);
  }
  private failed(error: unknown): void {
    const refusal = error instanceof OperationError ? refuse(error.code, error.message) : refuse('internal', `live copy: ${(error as Error).message}`);
    this.end();
    this.say({ state: 'failed', refusal });
  }

  private async copyRounds(image: LiveImage): Promise<void> {
    const sender = await LiveSender.open(this.parts.socket, { timeoutMs: this.parts.timeoutMs });
    if (isRefusal(sender)) return this.failed(new OperationError(sender.code, sender.reason, { effect: 'none' }));
    this.sender = sender;
    const copier = (this.copier = new ImageCopier(nodeImagePort, image.maximumBytes));
    const limits: PrecopyLimits = { ...DEFAULT_PRECOPY, freezeBudgetMs: this.parts.freezeBudgetMs, maxMs: Math.min(DEFAULT_PRECOPY.maxMs, this.parts.timeoutMs / 2) };
    let state = PRECOPY_START;
    while (!this.stopping) {
      const report = await this.round(sender, copier, image);
      if (isRefusal(report)) return this.failed(new OperationError(report.code, report.reason, { effect: 'none' }));
      if (!report) continue;
      const next = precopyStep(state, report, limits);
      state = next.state;
      const { numbers, action } = next;
      const known = { rounds: state.rounds, imageBytes: report.imageBytes, dirtyBytes: report.dirtyBytes, wireBytes: sender.wireBytes, ...numbers, dutyRatio: state.dutyRatio };
      if (action.do === 'freeze') {
        this.say({ ...known, state: 'ready' });
        return this.untilFrozen(sender, copier, image, report);
      }
      if (action.do === 'refuse') {
        this.end();
        return this.say({ ...known, state: 'refused', refusal: action.refusal });
      }
      this.parts.slow(action.dutyRatio);
      this.say(known);
    }
  }

  /** The freeze is on its way: keeps what is dirty small until then, and the connection alive. */
  private async untilFrozen(sender: LiveSender, copier: ImageCopier, image: LiveImage, last: RoundReport): Promise<void> {
    let { durationMs } = last;
    while (!this.stopping) {
      await this.pause(Math.max(SHORTEST_PAUSE_MS, durationMs));
      if (this.stopping) return;
      const report = await this.round(sender, copier, image);
      if (isRefusal(report)) return this.failed(new OperationError(report.code, report.reason, { effect: 'none' }));
      if (!report) continue;
      durationMs = report.durationMs;
      this.progress = { ...this.progress, rounds: this.progress.rounds + 1 };
    }
  }
  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  private async whileHeld(): Promise<void> {
    while (this.held && !this.stopping) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** @returns undefined for a round that a freeze broke off */
  private async round(sender: LiveSender, copier: ImageCopier, image: LiveImage): Promise<RoundReport | Refusal | undefined> {
    await this.whileHeld();
    if (this.stopping) return undefined;
    const written = this.parts.written.take();
    const live = await image.view();
    if (isRefusal(live)) return live;
    const sent = await sender.send(copier, live, { frozen: false, written, stop: () => this.stopping || this.held });
    if (!this.stopping && !this.held) return sent;
    this.parts.written.putBack(written);
    return undefined;
  }

  /** A freeze was asked for: a round that is under way is not worth finishing. */
  hold(): void {
    this.held = true;
    this.wake();
  }
  /** The thread runs again: the freeze was for a checkpoint. */
  release(): void {
    this.held = false;
    this.wake();
  }
  private stop(): void {
    this.stopping = true;
    this.wake();
  }

  /** The thread stands still: copies what is left. Afterwards the copy is over, whatever came of it. */
  async final(pendingOutputs: readonly ThreadOutput[]): Promise<CopiedMark | Refusal> {
    this.stop();
    await this.rounds;
    try {
      if (this.progress.refusal) return this.progress.refusal;
      const { image } = this.parts.instance;
      return image && this.sender && this.copier ? await this.finalRound(image, this.sender, this.copier, pendingOutputs) : await this.wholeSnapshot(pendingOutputs);
    } finally {
      this.end();
    }
  }

  private async finalRound(image: LiveImage, sender: LiveSender, copier: ImageCopier, pendingOutputs: readonly ThreadOutput[]): Promise<CopiedMark | Refusal> {
    const written = this.parts.written.take();
    const live = await image.view();
    if (isRefusal(live)) return live;
    const sent = await sender.send(copier, live, { frozen: true, written });
    const taken = await image.rest();
    if (isRefusal(taken)) return taken;
    const snapshot = { ...taken, pendingOutputs };
    const rest = encodeSnapshot(snapshot, utf8);
    const answered = sender.finish(rest);
    // While the target rebuilds its state: the digest of ours.
    const digest = copier.stateDigest(rest, sha256);
    const theirs = await answered;
    if (theirs !== digest) return refuse('digest-mismatch', `the target holds a state of digest ${theirs}, and this one is ${digest}`);
    return { ...markOf(snapshot), digest, bytes: sender.wireBytes, rounds: this.progress.rounds + 1, frozenBytes: sent.wireBytes };
  }

  private async wholeSnapshot(pendingOutputs: readonly ThreadOutput[]): Promise<CopiedMark | Refusal> {
    const taken = await this.parts.instance.snapshot();
    if (isRefusal(taken)) return taken;
    const snapshot = { ...taken, pendingOutputs };
    const sent = await sendSnapshot(this.parts.socket, encodeSnapshot(snapshot, utf8), { compress: false, timeoutMs: this.parts.timeoutMs });
    return isRefusal(sent) ? sent : { ...markOf(snapshot), digest: sent.digest, bytes: sent.wireBytes, rounds: 1, frozenBytes: sent.wireBytes };
  }

  /** Gives the copy up. */
  end(): void {
    this.stop();
    this.parts.slow(1);
    this.parts.written.close();
    this.sender?.close();
    this.parts.socket.destroy();
  }
}

export const markOf = ({ cursorSeq, outN, chainHash }: ThreadSnapshot): Pick<ThreadSnapshot, 'cursorSeq' | 'outN' | 'chainHash'> => ({ cursorSeq, outN, chainHash });
