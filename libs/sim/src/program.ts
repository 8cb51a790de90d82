/**
 * The toy program that simulated runners execute, and its sequential model. It counts what it is given and folds it into
 * a sum; its outputs tell both, so that a record that was lost, repeated or seen out of order shows in every output after.
 */
import { createHash } from 'node:crypto';
import type { Sha256, Sha256Of, ThreadId } from '@godwit/kernel';
import type { JournalEntry, OutRecord } from '@godwit/journal';
import type { InputRecord } from '@godwit/runtime';
import { chainOutput, CHAIN_START, encodeSnapshot, decodeSnapshot, type ThreadOutput, type ThreadSnapshot, type Utf8 } from '@godwit/snapshot';

export const sha256: Sha256Of = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};
const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();
export const utf8: Utf8 = { encode: (text) => encoder.encode(text), decode: (bytes) => decoder.decode(bytes) };

/** FNV-1a, 32 bits. */
export function fold(sum: number, text: string): number {
  let h = sum >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

export interface ProgramState {
  count: number;
  sum: number;
  cursorSeq: number;
  outN: number;
  chainHash: Sha256;
}
export const startState = (): ProgramState => ({ count: 0, sum: 0x811c9dc5, cursorSeq: 0, outN: 0, chainHash: CHAIN_START });

/** How many outputs an input causes: none, one or two, by its content. */
const outputsOf = (text: string): number => (text.startsWith('probe') ? 1 : [2, 0, 1, 1][text.charCodeAt(text.length - 1) % 4]!);

/** Takes one record. @param nonce makes the program one that is not deterministic; empty for none. */
export function apply(state: ProgramState, record: InputRecord, nonce: string): ThreadOutput[] {
  const text = record.from === 'timer' ? `tick ${record.atMs}` : utf8.decode(record.messages[0]!.payload).split(' ')[0]!;
  state.cursorSeq = record.seq;
  state.count++;
  state.sum = fold(state.sum, `${text}${nonce}`);
  return Array.from({ length: outputsOf(text) }, (_, i) => {
    const payload = utf8.encode(`${text} ${state.count}.${i} ${state.sum} ${nonce}`);
    const output = chainOutput(state.chainHash, { n: state.outN + 1, causedBySeq: record.seq, originMs: record.originMs, messages: [{ kind: 'count', payload }] }, sha256);
    state.outN = output.n;
    state.chainHash = output.hash;
    return output;
  });
}

/** As the production's input pump makes it. */
export function inputOf(entry: JournalEntry): InputRecord {
  if (entry.type === 'out') return { seq: entry.seq, atMs: entry.atMs, from: entry.thread, originMs: entry.record.originMs, messages: entry.record.messages, end: false };
  const { kind, messages } = entry.record;
  return { seq: entry.seq, atMs: entry.atMs, from: kind === 'timer' ? 'timer' : 'in', originMs: kind === 'message' ? entry.atMs : 0, messages, end: kind === 'end' };
}

/** @param pendingOutputs what the journal may not have. */
export function snapshotOf(thread: ThreadId, program: Sha256, state: ProgramState, pendingOutputs: readonly ThreadOutput[]): Uint8Array[] {
  const snapshot: ThreadSnapshot = {
    thread, runtime: 'wasm', program, cursorSeq: state.cursorSeq, outN: state.outN, chainHash: state.chainHash, clock: { recordMs: 0, polls: state.count }, random: new Uint8Array(16), pendingOutputs,
    sections: [{ name: 'state', bytes: utf8.encode(`${state.count} ${state.sum}`) }],
  };
  return encodeSnapshot(snapshot, utf8);
}

/** Undefined when the bytes are no snapshot. */
export function restored(bytes: Uint8Array): { readonly state: ProgramState; readonly pendingOutputs: readonly ThreadOutput[] } | undefined {
  const snapshot = decodeSnapshot(bytes, utf8);
  if ('refused' in snapshot) return undefined;
  const [count, sum] = utf8.decode(snapshot.sections[0]!.bytes).split(' ').map(Number);
  return { state: { count: count!, sum: sum!, cursorSeq: snapshot.cursorSeq, outN: snapshot.outN, chainHash: snapshot.chainHash }, pendingOutputs: snapshot.pendingOutputs };
}

/** What a thread must have done with the journal's records in their order. */
export class Model {
  private readonly state = startState();
  readonly hashes: Sha256[] = [];
  /** Standing behind each record, by its sequence. */
  private readonly behind = new Map<number, { readonly outN: number; readonly chainHash: Sha256 }>([[0, { outN: 0, chainHash: CHAIN_START }]]);

  take(entry: JournalEntry): void {
    for (const { hash } of apply(this.state, inputOf(entry), '')) this.hashes.push(hash);
    this.behind.set(entry.seq, { outN: this.state.outN, chainHash: this.state.chainHash });
  }
  at(cursorSeq: number): { readonly outN: number; readonly chainHash: Sha256 } | undefined {
    return this.behind.get(cursorSeq);
  }
}

/** Of a program that is not deterministic: whether this output follows from the one before and the inputs in order. */
export class Chain {
  private sum = startState().sum;
  private count = 0;
  private previous = CHAIN_START;
  private nextN = 1;
  private readonly inputs: string[] = [];

  take(entry: JournalEntry): void {
    const record = inputOf(entry);
    this.inputs.push(record.from === 'timer' ? `tick ${record.atMs}` : utf8.decode(record.messages[0]!.payload).split(' ')[0]!);
  }

  /** @returns what is wrong, or nothing. */
  check(record: OutRecord): string | undefined {
    const { n, causedBySeq, originMs, messages, hash } = record;
    if (n !== this.nextN) return `output ${n} where ${this.nextN} is due`;
    if (chainOutput(this.previous, { n, causedBySeq, originMs, messages }, sha256).hash !== hash) return `output ${n} does not continue the chain of output ${n - 1}`;
    this.nextN = n + 1;
    this.previous = hash;
    return undefined;
  }

  /** Every input exactly once, in order: what the payloads of a thread with nonces tell. */
  checkContent(record: OutRecord): string | undefined {
    const parts = utf8.decode(record.messages[0]!.payload).split(' ');
    const isTick = parts[0] === 'tick';
    const text = isTick ? `${parts[0]} ${parts[1]}` : parts[0]!;
    const [counted, sum, nonce = ''] = parts.slice(isTick ? 2 : 1);
    const count = Number(counted!.split('.')[0]);
    if (this.inputs[count - 1] !== text) return `output ${record.n} counts ${text} as input ${count}, which is ${this.inputs[count - 1] ?? 'not there'}`;
    // Inputs without outputs leave no nonce behind, so the sum can be followed only over those that had one.
    if (count === this.count && Number(sum) !== this.sum) return `output ${record.n}: its sum is not that of the output before`;
    if (count === this.count + 1 && fold(this.sum, `${text}${nonce}`) !== Number(sum)) return `output ${record.n}: its sum does not follow from the output before`;
    if (count < this.count) return `output ${record.n} counts backwards`;
    this.count = count;
    this.sum = Number(sum);
    return undefined;
  }
}
