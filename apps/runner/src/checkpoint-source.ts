/**
 * Checkpoints of the thread in this runner: what changed since the last one, taken against a private copy.
 *
 * Invariants: K1. In the freeze only `capture` runs. K2. A delta is given only upon the checkpoint that the private copy
 * holds; whoever asks for another gets a base. K3. A checkpoint that failed half-way leaves no private copy to build upon.
 */
import { isRefusal, type Refusal, type Sha256 } from '@godwit/kernel';
import { nodeImagePort } from '@godwit/bulk';
import { CheckpointImage, type GrowingBytes, type Kept } from '@godwit/live-copy';
import type { CapturedMark, EncodedCheckpoint, ThreadInstance } from '@godwit/runtime';
import { BLOCK_BYTES, encodePartHead, encodeSnapshot, flatRest, PART_HEAD_BYTES, type PartHead, type ThreadOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { sha256, utf8 } from '@godwit/shell/platform';
import { markOf } from './copy-source.js';
import type { WrittenReader } from './written-ledger.js';

const SLICE_MS = 3;

/** A state that shadows can be given: checkpoint `k`. */
export interface HeldCheckpoint extends CapturedMark {
  readonly k: number;
  readonly digest: Sha256;
  readonly stateBytes: number;
  /** When the thread stood still for it, by this process's monotonic clock. */
  readonly frozenAtMs: number;
}
interface Taken {
  readonly snapshot: ThreadSnapshot;
  readonly dirtyBytes: number;
  readonly frozenAtMs: number;
}

/** Memory that is replaced when it grows: for states that have no bound of their own. */
function growing(): GrowingBytes {
  let all = new Uint8Array(0);
  return { grow: (bytes) => {
    if (bytes > all.length) {
      const larger = new Uint8Array(Math.max(bytes, Math.ceil((all.length * 1.5) / BLOCK_BYTES) * BLOCK_BYTES));
      larger.set(all);
      all = larger;
    }
    return all;
  } };
}

/** Leaves the event loop free now and then: the thread's outputs pass through it. */
export async function drawn<Piece>(pieces: Iterable<Piece>, use: (piece: Piece) => void = () => undefined): Promise<void> {
  let sliceMs = performance.now();
  for (const piece of pieces) {
    use(piece);
    if (performance.now() - sliceMs < SLICE_MS) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    sliceMs = performance.now();
  }
}

export class CheckpointSource {
  private image: CheckpointImage;
  private primed = false;
  /** The private copy is between two checkpoints. */
  private encoding = false;
  private taken: Taken | undefined;
  private rest: readonly Uint8Array[] = [];
  private at: HeldCheckpoint | undefined;
  /** Shadows want deltas also where the store gets a base. */
  feeds = false;
  /** While `feeds`: the last checkpoint as a shadow of its parent can take it; a copy. */
  lastDelta: { readonly k: number; readonly parent: number; readonly bytes: Buffer } | undefined;

  constructor(private readonly instance: ThreadInstance, private readonly written: WrittenReader) {
    this.image = this.fresh();
  }

  /** What the private copy is. */
  get held(): HeldCheckpoint | undefined {
    return this.at;
  }

  private fresh(): CheckpointImage {
    const live = this.instance.image;
    return new CheckpointImage(nodeImagePort, live ? nodeImagePort.allocate(live.maximumBytes) : growing());
  }
  private startOver(): void {
    this.image = this.fresh();
    this.primed = false;
    this.at = undefined;
    this.taken = undefined;
  }

  /** The first private copy is made while the thread runs; the freeze then finds what changed meanwhile. */
  async begin(): Promise<void | Refusal> {
    const live = this.instance.image;
    if (this.primed || !live) return;
    this.written.take();
    const view = await live.view();
    if (isRefusal(view)) return view;
    await drawn(this.image.prime(view));
    this.primed = true;
  }

  /** While frozen. */
  async capture(pendingOutputs: readonly ThreadOutput[]): Promise<CapturedMark | Refusal> {
    if (this.taken) this.startOver(); // the last one was never encoded
    const live = this.instance.image;
    const frozenAtMs = performance.now();
    let dirtyBytes = 0;
    if (live) {
      const written = this.written.take();
      const view = await live.view();
      if (isRefusal(view)) return view;
      dirtyBytes = this.image.capture(view, this.primed ? written : undefined);
    }
    const snapshot = live ? await live.rest() : await this.instance.snapshot();
    if (isRefusal(snapshot)) {
      this.startOver();
      return snapshot;
    }
    this.primed = true;
    this.taken = { snapshot: { ...snapshot, pendingOutputs }, dirtyBytes, frozenAtMs };
    return markOf(snapshot);
  }

  /** While the thread runs again. @param parent 0 for a base. */
  async encode(k: number, parent: number): Promise<EncodedCheckpoint | Refusal> {
    const { taken, at: before } = this;
    if (!taken) throw new Error('nothing was captured');
    this.encoding = true;
    try {
      return await this.encodeTaken(taken, k, before && before.k === parent ? parent : 0);
    } catch (error) {
      this.startOver(); // K3
      throw error;
    } finally {
      this.encoding = false;
    }
  }

  private async encodeTaken(taken: Taken, k: number, parent: number): Promise<EncodedCheckpoint> {
    const live = this.instance.image;
    let { dirtyBytes } = taken;
    let rest: readonly Uint8Array[] = encodeSnapshot(taken.snapshot, utf8);
    if (!live) {
      const bytes = rest.reduce((sum, part) => sum + part.length, 0);
      dirtyBytes = this.image.capture(padded(rest, Math.max(this.image.imageBytes, Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES)));
      rest = [flatRest(bytes)];
    }
    const delta: Uint8Array[] = [];
    const upon = this.at?.k ?? 0;
    if (parent === 0 && !(this.feeds && upon > 0)) await drawn(this.image.absorb());
    else await drawn(this.image.delta(), ({ parts }) => delta.push(...parts));
    this.lastDelta = this.feeds && upon > 0 ? { k, parent: upon, bytes: Buffer.concat([encodePartHead(this.head({ k, parent: upon, deltaBytes: bytesOf(delta) }, rest)), ...delta, ...rest]) } : undefined;
    if (parent === 0) {
      delta.length = 0;
      await drawn(this.image.whole(), ({ parts }) => delta.push(...parts));
    }
    const digest = this.image.stateDigest(rest, sha256);
    const head = this.head({ k, parent, deltaBytes: bytesOf(delta) }, rest);
    const isFirst = this.at === undefined;
    this.taken = undefined;
    this.rest = rest;
    this.at = { ...markOf(taken.snapshot), k, digest, stateBytes: this.image.imageBytes + head.restBytes, frozenAtMs: taken.frozenAtMs };
    return { parts: [encodePartHead(head), ...delta, ...rest], bytes: PART_HEAD_BYTES + head.deltaBytes + head.restBytes, digest, parent, ...(isFirst ? {} : { dirtyBytes }) };
  }

  private head(of: Pick<PartHead, 'k' | 'parent' | 'deltaBytes'>, rest: readonly Uint8Array[]): PartHead {
    return { ...of, form: this.instance.image ? 'image' : 'flat', imageBytes: this.image.imageBytes, restBytes: bytesOf(rest) };
  }

  /** All of the checkpoint that is held, as a base, whatever comes later; undefined while it changes. To be closed. */
  keepWhole(): { readonly at: HeldCheckpoint; readonly head: Uint8Array; readonly bytes: number; readonly rest: readonly Uint8Array[]; readonly kept: Kept } | undefined {
    const { at, rest } = this;
    if (!at || this.encoding) return undefined;
    const kept = this.image.keepWhole();
    const head = this.head({ k: at.k, parent: 0, deltaBytes: kept.bytes }, rest);
    return { at, head: encodePartHead(head), bytes: PART_HEAD_BYTES + head.deltaBytes + head.restBytes, rest, kept };
  }
}

const bytesOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

function padded(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
