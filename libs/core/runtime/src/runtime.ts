/**
 * The runtime port: how a thread executes and how its state is taken. Lives here; `adapters/wasm`, `adapters/task` and
 * `adapters/process` implement it; the runner process drives it; one contract suite (in `libs/testing`) runs on all.
 *
 * Invariants that every runtime keeps:
 *  R1. The program sees records in the order in which they were fed, one record at most per read.
 *  R2. "Nothing to read" is never an observable result: the program waits.
 *  R3. After `freeze()` resolves nothing of the program executes, until `resume()`.
 *  R4. `snapshot()` then `prepare()` + `restore()` elsewhere then the same records give the same outputs, bit for bit,
 *      when the thread is deterministic.
 *  R5. A fault of the program never harms the host: it is reported through `onFault`, and the thread stands still.
 */
import type { Refusal, Sha256, Sha256Of, ThreadId } from '@godwit/kernel';
import type { Message, RuntimeKind, ThreadOutput, ThreadSnapshot, WrittenBlocks } from '@godwit/snapshot';

/** Part of the registration: the same on every machine, or the thread would not be deterministic. */
export interface ThreadLimits {
  /** Upper bound of the thread's own state (linear memory, or encoded state), bytes. */
  readonly memoryBytes: number;
  /** Size of the area that a captured call stack may take, bytes. */
  readonly stackBytes: number;
  /** Entries of any table of a WASM program. */
  readonly tableEntries: number;
  /** Longest time that the program may run without reaching a safepoint before it is ended, ms of CPU. */
  readonly safepointMs: number;
}

/** What a runtime needs to know of the thread it executes. */
export interface ThreadProgram {
  readonly thread: ThreadId;
  readonly runtime: RuntimeKind;
  /** The program as registered: a WASI module, or the ECMAScript module of a task. */
  readonly bytes: Uint8Array;
  readonly sha256: Sha256;
  /** For `wasm`: the instrumented module, where the caller has it cached already. */
  readonly migratable?: Uint8Array;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Seeds the thread's random source. */
  readonly seed: number;
  readonly limits: ThreadLimits;
}

/** One journal record as a program sees it. */
export interface InputRecord {
  readonly seq: number;
  /** Broker's time of the record, ms since 1970. */
  readonly atMs: number;
  /** `in` for an outside input, `timer` for a tick, else the producing thread. */
  readonly from: 'in' | 'timer' | ThreadId;
  readonly originMs: number;
  readonly messages: readonly Message[];
  /** True on the record after which no more will come: streams see end of file. */
  readonly end: boolean;
}

export interface RuntimeSample {
  /** CPU that the program used since its start on this device, seconds. */
  readonly cpuSeconds: number;
  readonly polls: number;
  /** Time spent held at safepoints by the duty cycle, seconds. */
  readonly heldSeconds: number;
  readonly stateBytes: number;
  readonly consumedRecords: number;
  /** Counters of safepoint sites, calls and message kinds since the start: the execution trace. */
  readonly traces: Readonly<Record<string, number>>;
}

export interface RuntimeEvents {
  /** Called for each output in order; may be called before `resume()` only for outputs made before the freeze. */
  onOutput(output: ThreadOutput): void;
  /** The record was taken by the program (backpressure credit; progress of the cursor). */
  onConsumed(seq: number): void;
  /** The program failed or passed a limit; it will not run again here. */
  onFault(fault: Refusal): void;
  /** The program ended by itself; its last output carries the exit code. */
  onExit(code: number): void;
}

/**
 * The large part of a thread's state, one flat piece of memory, for copying it while the thread runs. Its name in a
 * snapshot is that of the section whose body is small in `rest`.
 */
export interface LiveImage {
  /** The largest that it can become, bytes. */
  readonly maximumBytes: number;
  /**
   * The source's side, running or frozen: the image as it is now, whole blocks of 4 KiB. While the thread runs, the bytes
   * may change under the reader's eyes; a later view is never shorter. While it is frozen, they are its state.
   */
  view(): Promise<Uint8Array | Refusal>;
  /**
   * Where the runtime tracks writes: what may have been written since the last call, and for ever so before the first.
   * Ask before the view is read: a write that comes later is told the next time.
   */
  written?(): WrittenBlocks | undefined;
  /** While frozen: the snapshot with all but the image, for which the section's body only says how large it is. */
  rest(): Promise<ThreadSnapshot | Refusal>;
  /**
   * The target's side, staged: an image of at least `bytes`, zero wherever the caller has not written, which is kept from
   * call to call. Refused beyond the thread's limit.
   */
  stage(bytes: number): Promise<Uint8Array | Refusal>;
  /** Rebuilds the thread from the staged image and what `rest` gave, and leaves it frozen. */
  restore(rest: ThreadSnapshot): Promise<void | Refusal>;
}

/** A thread in this process, from `prepare` to `stop`. */
export interface ThreadInstance {
  /** Absent where the state cannot be copied while the thread runs: then it is stopped and copied. */
  readonly image?: LiveImage;
  /** Starts from the beginning. */
  start(): Promise<void | Refusal>;
  /** Rebuilds a staged thread from a snapshot, and leaves it frozen. A damaged snapshot is refused and changes nothing. */
  restore(snapshot: ThreadSnapshot): Promise<void | Refusal>;
  /** Queues records; the caller bounds what is unconsumed by watching `onConsumed`. */
  feed(records: readonly InputRecord[]): void;
  /**
   * Resolves when the program stands at a safepoint with every output it has made delivered through `onOutput`. May be
   * called at any time, also while the program waits for a record. Records fed but not consumed are dropped: whoever
   * resumes the thread feeds again from the cursor.
   */
  freeze(): Promise<void | Refusal>;
  /** The state at the safepoint; only while frozen. `pendingOutputs` is left empty: the agent knows what is appended. */
  snapshot(): Promise<ThreadSnapshot | Refusal>;
  /** Goes on after `freeze` or `restore`. */
  resume(): void;
  /** Share of wall time that the program may run, 0 < ratio <= 1, enforced at safepoints. */
  setDuty(ratio: number): void;
  sample(): RuntimeSample;
  stop(): Promise<void>;
}

export interface Runtime {
  readonly kind: RuntimeKind;
  /** Compiles, checks and pre-instantiates; refuses a program that cannot be run and moved, with the reason. */
  prepare(program: ThreadProgram, events: RuntimeEvents, sha256: Sha256Of): Promise<ThreadInstance | Refusal>;
}
