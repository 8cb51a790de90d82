/**
 * What a snapshot is. Owns: the meaning of the fields. Does not own: the bytes on the wire (`codec.ts`), nor what a
 * runtime puts into its sections.
 *
 * Invariants:
 *  S1. A snapshot is complete: with the program (by hash) and the journal after `cursorSeq`, the thread goes on exactly.
 *  S2. `outN` counts every output that the program has made, whether or not it is in the journal yet; those that are
 *      not are in `pendingOutputs`, numbered up to `outN` without a gap. So a freeze waits for no append.
 *  S3. Equal states encode to equal bytes, hence to equal digests, on every machine.
 */
import type { Sha256, ThreadId } from '@godwit/kernel';

export type RuntimeKind = 'wasm' | 'task' | 'process';
export const RUNTIME_KINDS: readonly RuntimeKind[] = ['wasm', 'task', 'process'];

/** One message that a thread sends: a kind (`[a-zA-Z0-9._-]{1,64}`, empty for bytes of a stream) and its bytes. */
export interface Message {
  readonly kind: string;
  readonly payload: Uint8Array;
}

/**
 * One output record of a thread, before the journal has given it a sequence. Cut only by the program's writes and at
 * input boundaries, so that a replay cuts it at the same places.
 */
export interface ThreadOutput {
  /** 1, 2, 3, … per thread, for ever. */
  readonly n: number;
  /** Journal sequence of the input that was being served; 0 before the first. */
  readonly causedBySeq: number;
  /** Broker's time of the outside input at the root of this chain, ms since 1970; 0 where there was none. */
  readonly originMs: number;
  readonly messages: readonly Message[];
  /** Present on the last record of a thread that ended by itself. */
  readonly exit?: { readonly code: number };
  /** Hash chain: SHA-256 over the previous hash and the content, see `chain.ts`. */
  readonly hash: Sha256;
}

/** Virtual time: the broker's time of the last consumed record, and how often the program has asked since. */
export interface VirtualClock {
  readonly recordMs: number;
  readonly polls: number;
}

/** A named part of the state; the runtime defines names and contents, and their order. */
export interface Section {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ThreadSnapshot {
  readonly thread: ThreadId;
  readonly runtime: RuntimeKind;
  /** SHA-256 of the program as it was registered (before instrumentation). */
  readonly program: Sha256;
  /** Journal sequence of the last record that was handed to the program, wholly or in part; 0 before the first. */
  readonly cursorSeq: number;
  readonly outN: number;
  /** The chain's hash after output `outN`; 64 zeros before the first. */
  readonly chainHash: Sha256;
  readonly clock: VirtualClock;
  /** 16 bytes of `Xoshiro128`. */
  readonly random: Uint8Array;
  readonly pendingOutputs: readonly ThreadOutput[];
  readonly sections: readonly Section[];
}
