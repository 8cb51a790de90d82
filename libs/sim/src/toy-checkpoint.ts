/**
 * Checkpoints of the toy program: bases and deltas that are wrong upon any other state than their parent's, and a shadow
 * that is fed with them. The rules are those of the production's runner; what is simulated is the state and the way.
 */
import { isRefusal, refuse, type Refusal, type Sha256, type ThreadId } from '@godwit/kernel';
import type { FeedProgress, ShadowProgress } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import { restored, sha256, snapshotOf, utf8, type ProgramState } from './program.js';
import type { SimLink } from './sim-link.js';

const PROGRAM = 'c'.repeat(64) as Sha256;

export interface ToyState {
  readonly k: number;
  readonly state: ProgramState;
  readonly pendingOutputs: readonly ThreadOutput[];
}
export interface ToyCheckpoint extends ToyState {
  readonly digest: Sha256;
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
export const stateDigestOf = (thread: ThreadId, { state, pendingOutputs }: Omit<ToyState, 'k'>): Sha256 => sha256(...snapshotOf(thread, PROGRAM, state, pendingOutputs));

/** A line `<k> <parent>`, and a snapshot whose count and sum are said against the parent's. */
export function toyPart(thread: ThreadId, { k, state, pendingOutputs }: ToyState, parent: ToyState | undefined): Uint8Array {
  const against = parent ? { ...state, count: state.count - parent.state.count, sum: (state.sum ^ parent.state.sum) >>> 0 } : state;
  return joined([utf8.encode(`${k} ${parent?.k ?? 0}\n`), ...snapshotOf(thread, PROGRAM, against, pendingOutputs)]);
}

/** @param held what the part is applied upon @param options `trusting`: whatever that is */
export function appliedPart(bytes: Uint8Array, held: ToyState | undefined, options: { readonly trusting: boolean }): ToyState | Refusal {
  const end = bytes.indexOf(10);
  const [k, parent] = utf8.decode(bytes.subarray(0, end)).split(' ').map(Number) as [number, number];
  if (!options.trusting && parent !== 0 && parent !== held?.k) return refuse('conflict', `checkpoint ${k} is a delta upon ${parent}, and ${held?.k ?? 0} is held`, 'parent');
  const said = restored(bytes.subarray(end + 1));
  if (!said) return refuse('snapshot-damaged', 'checkpoint part: it cannot be decoded');
  const upon = parent === 0 ? { count: 0, sum: 0 } : (held?.state ?? { count: 0, sum: 0 });
  return { k, state: { ...said.state, count: said.state.count + upon.count, sum: (said.state.sum ^ upon.sum) >>> 0 }, pendingOutputs: said.pendingOutputs };
}

interface Sent { readonly k: number; readonly epoch: number; readonly digest: Sha256; readonly cursorSeq: number; readonly outN: number }
const message = (head: Sent, part: Uint8Array): Uint8Array => joined([utf8.encode(`${JSON.stringify(head)}\n`), part]);

/** The source's side. */
export class ToyFeed {
  private ended = false;
  private sentK = 0;
  private waiting: { readonly at: ToyCheckpoint; readonly delta: Uint8Array | undefined; readonly parent: number; readonly base: Uint8Array } | undefined;

  constructor(thread: ThreadId, private readonly link: SimLink, newest: ToyCheckpoint | undefined, durable: { readonly k: number; readonly epoch: number }, private readonly tell: (progress: FeedProgress) => void) {
    if (newest && newest.k === durable.k) {
      this.waiting = { at: newest, delta: undefined, parent: 0, base: toyPart(thread, newest, undefined) };
      this.durable(durable.k, durable.epoch);
    }
  }

  encoded(at: ToyCheckpoint, delta: Uint8Array | undefined, parent: number, base: Uint8Array): void {
    this.waiting = { at, delta, parent, base };
  }

  durable(k: number, epoch: number): void {
    const { waiting } = this;
    if (this.ended) return;
    const { at, delta, parent, base } = waiting ?? {};
    let posted: boolean;
    if (at && base && at.k === k) {
      this.waiting = undefined;
      const { digest, state: { cursorSeq, outN } } = at;
      posted = this.link.post(message({ k, epoch, digest, cursorSeq, outN }, delta && parent === this.sentK && parent > 0 ? delta : base));
      this.sentK = k;
    } else posted = this.link.post(utf8.encode(`${JSON.stringify({ k, epoch })}\n`));
    if (!posted) this.over('the other side closed it');
  }

  private over(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.tell({ state: 'ended', k: this.sentK, reason });
  }
  end(): void {
    this.link.breakOff();
    this.over('it is fed no more');
  }
  /** The process died. */
  gone(): void {
    this.ended = true;
    this.link.breakOff();
  }
}

const NOTHING: ShadowProgress = { state: 'cut-off', k: 0, epoch: 0, digest: '', cursorSeq: 0, outN: 0, stateBytes: 0, ageMs: 0 };

/** The shadow's side. */
export class ToyShadow {
  private held: ToyState | undefined;
  private progress = NOTHING;
  private link: SimLink | undefined;

  constructor(private readonly thread: ThreadId, private readonly tell: (progress: ShadowProgress) => void, private readonly trusting: boolean) {}

  follow(link: SimLink): void {
    this.link?.destroy();
    this.link = link;
    link.listen((bytes) => { if (this.link === link) this.take(bytes); }, () => { if (this.link === link) this.say({ state: 'cut-off', reason: 'the other side closed it' }); });
  }

  private say(change: Partial<ShadowProgress>): void {
    const { reason: _before, ...known } = this.progress;
    this.progress = this.held ? { ...known, ...change } : { ...NOTHING, ...change, k: 0 };
    this.tell(this.progress);
  }

  private take(bytes: Uint8Array): void {
    const end = bytes.indexOf(10);
    const head = JSON.parse(utf8.decode(bytes.subarray(0, end))) as Partial<Sent> & { readonly k: number; readonly epoch: number };
    if (head.digest === undefined) {
      if (head.k === this.held?.k) this.say({ state: 'following', epoch: head.epoch });
      return;
    }
    const next = appliedPart(bytes.subarray(end + 1), this.held, { trusting: this.trusting });
    if (isRefusal(next)) return this.cut(next.reason);
    if (!this.trusting && stateDigestOf(this.thread, next) !== head.digest) {
      this.held = undefined;
      return this.cut('its state has another digest');
    }
    this.held = next;
    this.say({ state: 'following', ...head, stateBytes: bytes.length });
  }

  private cut(reason: string): void {
    this.link?.destroy();
    this.link = undefined;
    this.say({ state: 'cut-off', reason });
  }

  promoted(): ToyState | undefined {
    this.link?.destroy();
    this.link = undefined;
    return this.held;
  }
  gone(): void {
    this.link?.destroy();
  }
}
