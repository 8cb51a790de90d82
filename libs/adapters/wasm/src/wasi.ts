/**
 * The system that a program sees: WASI preview 1 over a journal. Owns: descriptors 0 to 2, virtual time, randomness,
 * arguments. Does not own: waiting for records and delivering outputs (`WasiWorld`), which the worker does.
 *
 * Invariants:
 *  W1. What the program sees depends on its inputs and its own calls only, never on wall time, and all of it is `WasiState`.
 *  W2. No pointer or length of the program makes a call throw: out of range is EFAULT.
 *  W3. An output record is cut when the program asks for more input, when 64 KiB are pending, at its end, and, before it
 *      has read for the first time, at each write.
 */
import type { InputRecord } from '@godwit/runtime';
import { WASI_SIGNATURES } from './wasi-signatures.js';
import type { WaitingRead, WasiState } from './wasi-state.js';
import { markWritten } from './written-cards.js';

export const ERRNO = { success: 0, badf: 8, fault: 21, inval: 28, noent: 44, nosys: 52, notsup: 58, spipe: 70, notcapable: 76 } as const;

/** Virtual nanoseconds that pass each time the program asks for the time, so that a program that waits by asking goes on. */
export const NS_PER_CLOCK_ASK = 1_000n;
/** An output record that is not cut before is cut at this size. */
export const MAX_OUTPUT_BYTES = 65_536;
const MAX_IOVS = 1024;

export interface OutputDraft {
  readonly causedBySeq: number;
  readonly originMs: number;
  readonly bytes: Uint8Array;
  readonly exitCode: number | undefined;
}
export interface WasiWorld {
  /** Waits for the next record. `undefined`: a freeze came first; the call must unwind. */
  takeRecord(): InputRecord | undefined;
  output(draft: OutputDraft): void;
  diagnostics(bytes: Uint8Array): void;
}

/** Thrown through the program's frames by `proc_exit`. */
export class ProgramExit {
  constructor(readonly code: number) {}
}
/** A call that has to leave the program by unwinding. */
export const UNWIND = Symbol('unwind');

class Fault extends Error {}

export class WasiSystem {
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private readonly args: readonly Uint8Array[];
  private readonly environment: readonly Uint8Array[];
  /** Pointer and length of what the call that is under way may write. */
  private touched: number[] = [];

  constructor(
    private readonly memory: WebAssembly.Memory, readonly state: WasiState, private readonly world: WasiWorld,
    args: readonly string[], env: Readonly<Record<string, string>>,
    private readonly options: {
      /** Only where a bench looks: a program that reads it is not deterministic. */
      readonly hostClockNs?: (() => bigint) | undefined;
      /** Where writes are tracked: what calls write is marked here. */
      readonly cards?: Uint8Array | undefined;
    } = {},
  ) {
    const text = (s: string): Uint8Array => Buffer.from(`${s}\0`);
    this.args = args.map(text);
    this.environment = Object.keys(env).sort().map((key) => text(`${key}=${env[key]}`));
  }

  /** Calls the function of this name. Answers an errno, or `UNWIND` when a freeze came while it waited. */
  call(name: string, args: readonly (number | bigint)[]): number | typeof UNWIND {
    const { buffer } = this.memory;
    if (this.bytes.buffer !== buffer) {
      this.bytes = new Uint8Array(buffer);
      this.view = new DataView(buffer);
    }
    const handler = HANDLERS[name];
    if (!handler) return name.startsWith('path_') ? ERRNO.notcapable : ERRNO.nosys;
    try {
      return handler(this, args.map((a) => (typeof a === 'bigint' ? a : a >>> 0)) as number[]);
    } catch (error) {
      if (error instanceof Fault) return ERRNO.fault;
      throw error;
    } finally {
      this.markTouched();
    }
  }
  private markTouched(): void {
    const { cards } = this.options;
    for (let i = 0; cards && i < this.touched.length; i += 2) markWritten(cards, this.touched[i]!, this.touched[i + 1]!);
    this.touched = [];
  }
  get hostClockNs(): (() => bigint) | undefined {
    return this.options.hostClockNs;
  }

  /** Ends the current output record, when something is in it. */
  cut(exitCode?: number): void {
    const { state } = this;
    if (state.pending.length === 0 && exitCode === undefined) return;
    const bytes = Buffer.concat(state.pending);
    state.pending = [];
    this.world.output({ causedBySeq: state.cursorSeq, originMs: state.originMs, bytes, exitCode });
  }

  // Memory of the program.

  range(pointer: number, length: number): Uint8Array {
    if (pointer + length > this.bytes.length) throw new Fault();
    if (this.options.cards) this.touched.push(pointer, length);
    return this.bytes.subarray(pointer, pointer + length);
  }
  setU32(pointer: number, value: number): void {
    this.range(pointer, 4);
    this.view.setUint32(pointer, value, true);
  }
  setU64(pointer: number, value: bigint): void {
    this.range(pointer, 8);
    this.view.setBigUint64(pointer, value, true);
  }
  getU32(pointer: number): number {
    this.range(pointer, 4);
    return this.view.getUint32(pointer, true);
  }
  getU64(pointer: number): bigint {
    this.range(pointer, 8);
    return this.view.getBigUint64(pointer, true);
  }
  vectors(pointer: number, count: number): Uint8Array[] | undefined {
    if (count > MAX_IOVS) return undefined;
    return Array.from({ length: count }, (_, i) => this.range(this.getU32(pointer + i * 8), this.getU32(pointer + i * 8 + 4)));
  }
  open(fd: number): boolean {
    return fd <= 2 && !(this.state.closed & (1 << fd));
  }

  // The calls.

  strings(which: 'args' | 'environment', pointers: number, buffer: number): number {
    let at = buffer;
    this[which].forEach((text, i) => {
      this.setU32(pointers + i * 4, at);
      this.range(at, text.length).set(text);
      at += text.length;
    });
    return ERRNO.success;
  }
  stringSizes(which: 'args' | 'environment', count: number, bytes: number): number {
    this.setU32(count, this[which].length);
    this.setU32(bytes, this[which].reduce((sum, text) => sum + text.length, 0));
    return ERRNO.success;
  }

  now(): bigint {
    this.state.clockAsks++;
    this.state.clockNs += NS_PER_CLOCK_ASK;
    return this.state.clockNs;
  }

  random(pointer: number, length: number): number {
    const target = this.range(pointer, length);
    for (let at = 0; at < length; at += 4) {
      const word = this.state.random.nextUint32();
      for (let i = 0; i < 4 && at + i < length; i++) target[at + i] = word >>> (8 * i);
    }
    return ERRNO.success;
  }

  write(fd: number, iovs: number, count: number, written: number): number {
    if (fd === 0 || !this.open(fd)) return ERRNO.badf;
    const parts = this.vectors(iovs, count);
    if (!parts) return ERRNO.inval;
    this.range(written, 4);
    // A copy: what is pending must not change when the program goes on in its memory.
    const bytes = Buffer.concat(parts);
    this.setU32(written, bytes.length);
    if (fd === 2) this.world.diagnostics(bytes);
    else if (bytes.length > 0) this.append(bytes);
    return ERRNO.success;
  }
  private append(bytes: Uint8Array): void {
    const { state } = this;
    state.pending.push(bytes);
    let all: Uint8Array = Buffer.concat(state.pending);
    state.pending = [all];
    while (all.length > MAX_OUTPUT_BYTES) {
      state.pending = [all.subarray(0, MAX_OUTPUT_BYTES)];
      this.cut();
      all = all.subarray(MAX_OUTPUT_BYTES);
      state.pending = [all];
    }
    if (!state.reads) this.cut();
  }

  /** The read goes on with the arguments of the call that was unwound: after a rewind those given are not reliable. */
  read(fd: number, given: WaitingRead): number | typeof UNWIND {
    const { state } = this;
    const call = state.waiting ?? given;
    state.waiting = undefined;
    if (fd !== 0 || !this.open(fd)) return ERRNO.badf;
    const parts = this.vectors(call.iovs, call.count);
    if (!parts) return ERRNO.inval;
    this.range(call.nread, 4);
    if (parts.every((p) => p.length === 0)) { this.setU32(call.nread, 0); return ERRNO.success; }
    while (state.messages.length === 0 && !state.ended) {
      this.cut();
      state.reads = true;
      const record = this.world.takeRecord();
      if (!record) {
        state.waiting = call;
        return UNWIND;
      }
      this.accept(record);
    }
    this.setU32(call.nread, this.fill(parts));
    return ERRNO.success;
  }
  private accept(record: InputRecord): void {
    const { state } = this;
    state.cursorSeq = record.seq;
    state.originMs = record.originMs;
    state.recordMs = record.atMs;
    state.clockAsks = 0;
    const atNs = BigInt(Math.max(0, Math.round(record.atMs * 1_000))) * 1_000n;
    if (atNs > state.clockNs) state.clockNs = atNs;
    // An empty message would look like the end of the file.
    state.messages = record.messages.map((m) => m.payload).filter((p) => p.length > 0);
    state.ended = record.end;
  }
  /** Bytes of the first message that is left, at most; the rest of it stays. */
  private fill(parts: readonly Uint8Array[]): number {
    const { messages } = this.state;
    let message = messages[0];
    if (!message) return 0;
    let copied = 0;
    for (const part of parts) {
      const taken = message.subarray(0, part.length);
      part.set(taken);
      copied += taken.length;
      message = message.subarray(taken.length);
    }
    if (message.length > 0) messages[0] = message;
    else messages.shift();
    return copied;
  }

  descriptor(fd: number, pointer: number): number {
    if (!this.open(fd)) return ERRNO.badf;
    const stat = this.range(pointer, 24);
    stat.fill(0);
    stat[0] = 2; // character device: C libraries then write by lines
    this.setU64(pointer + 8, fd === 0 ? 0x2n | 0x8000000n : 0x40n | 0x8000000n); // fd_read or fd_write, poll_fd_readwrite
    return ERRNO.success;
  }
  fileStatus(fd: number, pointer: number): number {
    if (!this.open(fd)) return ERRNO.badf;
    this.range(pointer, 64).fill(0);
    this.bytes[pointer + 16] = 2;
    return ERRNO.success;
  }

  /** Descriptors are ready always (a read waits by itself); without one, the earliest clock fires and time goes there. */
  poll(subscriptions: number, events: number, count: number, happened: number): number {
    if (count === 0) return ERRNO.inval;
    if (count > MAX_IOVS) return ERRNO.inval;
    this.range(subscriptions, count * 48);
    this.range(events, count * 32);
    this.range(happened, 4);
    const asked = Array.from({ length: count }, (_, i) => this.subscription(subscriptions + i * 48));
    let ready = asked.filter((s) => s.kind !== 0);
    if (ready.length === 0) {
      const first = asked.reduce((least, s) => (s.dueNs < least ? s.dueNs : least), asked[0]!.dueNs);
      if (first > this.state.clockNs) this.state.clockNs = first;
      ready = asked.filter((s) => s.dueNs <= first);
    }
    ready.forEach((s, i) => {
      const at = events + i * 32;
      this.range(at, 32).fill(0);
      this.setU64(at, s.userData);
      this.view.setUint16(at + 8, s.kind !== 0 && !this.open(s.fd) ? ERRNO.badf : ERRNO.success, true);
      this.bytes[at + 10] = s.kind;
      if (s.kind !== 0) this.setU64(at + 16, 1n);
    });
    this.setU32(happened, ready.length);
    return ERRNO.success;
  }
  private subscription(at: number): { userData: bigint; kind: number; fd: number; dueNs: bigint } {
    const kind = this.bytes[at + 8]!;
    const timeoutNs = this.getU64(at + 24);
    const absolute = (this.view.getUint16(at + 40, true) & 1) === 1;
    return { userData: this.getU64(at), kind, fd: this.getU32(at + 16), dueNs: kind !== 0 ? 0n : absolute ? timeoutNs : this.state.clockNs + timeoutNs };
  }

  close(fd: number): number {
    if (!this.open(fd)) return ERRNO.badf;
    this.state.closed |= 1 << fd;
    return ERRNO.success;
  }
  /** For calls that make sense on files only. */
  streamOnly(fd: number, errno: number): number {
    return this.open(fd) ? errno : ERRNO.badf;
  }
}

/** The host's monotonic clock, which no system but that of a bench offers. */
const HOST_CLOCK_ID = 100;

type Handler = (system: WasiSystem, args: readonly number[]) => number | typeof UNWIND;
const onStream = (errno: number): Handler => (s, [fd]) => s.streamOnly(fd!, errno);
const always = (errno: number): Handler => () => errno;

const HANDLERS: Readonly<Record<string, Handler>> = {
  args_get: (s, [pointers, buffer]) => s.strings('args', pointers!, buffer!),
  args_sizes_get: (s, [count, bytes]) => s.stringSizes('args', count!, bytes!),
  environ_get: (s, [pointers, buffer]) => s.strings('environment', pointers!, buffer!),
  environ_sizes_get: (s, [count, bytes]) => s.stringSizes('environment', count!, bytes!),
  clock_res_get: (s, [id, pointer]) => (id! > 3 ? ERRNO.inval : (s.setU64(pointer!, NS_PER_CLOCK_ASK), ERRNO.success)),
  clock_time_get: (s, [id, , pointer]) => (id === HOST_CLOCK_ID && s.hostClockNs ? (s.setU64(pointer!, s.hostClockNs()), ERRNO.success) : id! > 3 ? ERRNO.inval : (s.range(pointer!, 8), s.setU64(pointer!, s.now()), ERRNO.success)),
  random_get: (s, [pointer, length]) => s.random(pointer!, length!),
  fd_read: (s, [fd, iovs, count, nread]) => s.read(fd!, { iovs: iovs!, count: count!, nread: nread! }),
  fd_write: (s, [fd, iovs, count, written]) => s.write(fd!, iovs!, count!, written!),
  fd_close: (s, [fd]) => s.close(fd!),
  fd_fdstat_get: (s, [fd, pointer]) => s.descriptor(fd!, pointer!),
  fd_filestat_get: (s, [fd, pointer]) => s.fileStatus(fd!, pointer!),
  fd_fdstat_set_flags: onStream(ERRNO.success),
  fd_sync: onStream(ERRNO.success),
  fd_datasync: onStream(ERRNO.success),
  fd_advise: onStream(ERRNO.spipe),
  fd_allocate: onStream(ERRNO.spipe),
  fd_pread: onStream(ERRNO.spipe),
  fd_pwrite: onStream(ERRNO.spipe),
  fd_seek: onStream(ERRNO.spipe),
  fd_tell: onStream(ERRNO.spipe),
  fd_filestat_set_size: onStream(ERRNO.inval),
  fd_filestat_set_times: onStream(ERRNO.notsup),
  fd_fdstat_set_rights: onStream(ERRNO.notcapable),
  fd_readdir: onStream(ERRNO.inval),
  fd_renumber: onStream(ERRNO.notsup),
  fd_prestat_get: always(ERRNO.badf),
  fd_prestat_dir_name: always(ERRNO.badf),
  poll_oneoff: (s, [subscriptions, events, count, happened]) => s.poll(subscriptions!, events!, count!, happened!),
  sched_yield: always(ERRNO.success),
  proc_exit: (_s, [code]) => { throw new ProgramExit(code!); },
  proc_raise: always(ERRNO.notsup),
};

/** Every name that a module may import; the order is that of their counters. */
export const WASI_NAMES: readonly string[] = Object.keys(WASI_SIGNATURES);
