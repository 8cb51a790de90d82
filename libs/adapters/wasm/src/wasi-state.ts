/** What the virtual system of a program has to remember between two instructions of the program: all of it is moved. */
import { Xoshiro128 } from '@godwit/kernel';
import { FieldReader, FieldWriter } from './bytes.js';

/** Arguments of the `fd_read` in which the program waits. */
export interface WaitingRead {
  readonly iovs: number;
  readonly count: number;
  readonly nread: number;
}

export interface WasiState {
  /** Sequence of the record that is being served; 0 before the first. */
  cursorSeq: number;
  originMs: number;
  recordMs: number;
  /** How often the program has asked for the time since that record. */
  clockAsks: number;
  /** Virtual time, ns since 1970; never goes back. */
  clockNs: bigint;
  random: Xoshiro128;
  /** What is left of the record: bytes of messages that no read has returned yet. */
  messages: Uint8Array[];
  /** No record will come after this one. */
  ended: boolean;
  /** The program has read at least once: from then on outputs are cut at input boundaries only. */
  reads: boolean;
  /** Bit n: descriptor n is closed. */
  closed: number;
  /** Written to the standard output, and not yet cut into an output record. */
  pending: Uint8Array[];
  waiting: WaitingRead | undefined;
}

export const freshState = (seed: number): WasiState => ({
  cursorSeq: 0, originMs: 0, recordMs: 0, clockAsks: 0, clockNs: 0n, random: Xoshiro128.seeded(seed), messages: [],
  ended: false, reads: false, closed: 0, pending: [], waiting: undefined,
});

/** Everything but what has a field of its own in the snapshot: cursor, clock and random state. */
export function encodeWasi(state: WasiState): Uint8Array {
  const out = new FieldWriter().f64(state.originMs).u64(state.clockNs).u8(state.ended ? 1 : 0).u8(state.reads ? 1 : 0).u8(state.closed);
  const { waiting } = state;
  out.u8(waiting ? 1 : 0).u32(waiting?.iovs ?? 0).u32(waiting?.count ?? 0).u32(waiting?.nread ?? 0);
  out.bytes(Buffer.concat(state.pending)).u32(state.messages.length);
  for (const message of state.messages) out.bytes(message);
  return out.done();
}

/** @throws RangeError when the bytes are not what `encodeWasi` made. */
export function decodeWasi(bytes: Uint8Array, own: { cursorSeq: number; recordMs: number; clockAsks: number; random: Uint8Array }): WasiState {
  const read = new FieldReader(bytes);
  const originMs = read.f64();
  const clockNs = read.u64();
  const [ended, reads, closed, waits] = [read.u8(), read.u8(), read.u8(), read.u8()];
  const waiting = { iovs: read.u32(), count: read.u32(), nread: read.u32() };
  const pending = read.bytes();
  const count = read.u32();
  if (!Number.isFinite(originMs) || ended > 1 || reads > 1 || closed > 7 || waits > 1 || count > read.left) throw new RangeError('a field is out of range');
  const messages = Array.from({ length: count }, () => read.bytes());
  read.done();
  return {
    cursorSeq: own.cursorSeq, originMs, recordMs: own.recordMs, clockAsks: own.clockAsks, clockNs, random: Xoshiro128.restored(own.random),
    messages: messages.map((m) => new Uint8Array(m)), ended: ended === 1, reads: reads === 1, closed, pending: pending.length > 0 ? [new Uint8Array(pending)] : [],
    waiting: waits === 1 ? waiting : undefined,
  };
}
