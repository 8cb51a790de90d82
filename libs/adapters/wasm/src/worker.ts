/**
 * The worker in which one program runs. Owns the instance and the virtual system; the main thread owns everything that
 * is durable. While the program runs, this thread has no event loop: it reads records with `receiveMessageOnPort`, waits
 * with `Atomics.wait`, and learns of a freeze from the control words. While it is frozen, it waits for commands.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { InputRecord } from '@godwit/runtime';
import { ATTENTION, EXPORT_NEXT, EXPORT_RESUME, EXPORT_RUN, EXPORT_SAVED, EXPORT_UNWIND, HOST_MODULE, REAL, savingBase, SITE_COUNTERS, STACK_BASE, WASM_PAGE_BYTES, WORD } from './abi.js';
import { Duty } from './duty.js';
import type { FromWorker, HeldState, RecordBatch, ToWorker, WorkerSetup } from './protocol.js';
import { decodeWasi, encodeWasi, freshState } from './wasi-state.js';
import { ProgramExit, UNWIND, WASI_NAMES, WasiSystem, type OutputDraft } from './wasi.js';
import { WASI_MODULE } from './wasi-signatures.js';

type Exports = Readonly<Record<string, (...args: (number | bigint)[]) => number | bigint | undefined>>;

const STDERR_KEPT_BYTES = 4_096;
/** The longest wait in one piece; wake-ups come by notification, this only bounds a lost one. */
const WAIT_MS = 1_000;

class ProgramWorker {
  private readonly words: Int32Array;
  private readonly reals: Float64Array;
  private readonly stack: Uint8Array;
  private readonly stackEnd: Uint32Array;
  private readonly cards: Uint8Array | undefined;
  private readonly unwindTag: WebAssembly.Tag;
  private readonly exports: Exports;
  private readonly instance: WebAssembly.Instance;
  private system: WasiSystem;
  private queue: InputRecord[] = [];
  private duty: Duty;
  private dutyRatio = 1;
  private stderr = Buffer.alloc(0);
  private exited = false;
  private unwinding = false;
  private cpuAtStart = cpuMs();

  constructor(private readonly setup: WorkerSetup, private readonly tell: (message: FromWorker) => void) {
    const { memories } = setup;
    this.words = new Int32Array(memories.control.buffer);
    this.reals = new Float64Array(memories.control.buffer);
    this.stack = new Uint8Array(memories.stack.buffer);
    this.stackEnd = new Uint32Array(memories.stack.buffer, 0, 1);
    this.cards = memories.cards && new Uint8Array(memories.cards.buffer);
    this.duty = new Duty(performance.now(), cpuMs());
    this.system = this.systemWith(freshState(setup.seed));
    const wasi = Object.fromEntries(WASI_NAMES.map((name, i) => [name, (...args: (number | bigint)[]) => this.wasiCall(name, i, args)]));
    this.instance = new WebAssembly.Instance(setup.module, {
      [HOST_MODULE]: { ...memories, poll: (site: number) => this.poll(site) },
      [WASI_MODULE]: wasi,
    });
    this.exports = this.instance.exports as unknown as Exports;
    this.unwindTag = this.instance.exports[EXPORT_UNWIND] as WebAssembly.Tag;
  }

  private systemWith(state: ReturnType<typeof freshState>): WasiSystem {
    return new WasiSystem(this.setup.memories.memory, state, {
      takeRecord: () => this.takeRecord(),
      output: (draft) => this.output(draft),
      diagnostics: (bytes) => { this.stderr = Buffer.concat([this.stderr, bytes]).subarray(-STDERR_KEPT_BYTES); },
    }, this.setup.args, this.setup.env, { hostClockNs: this.setup.hostClock ? () => process.hrtime.bigint() : undefined, cards: this.cards });
  }

  handle(command: ToWorker): void {
    switch (command.do) {
      case 'start':
        this.stackEnd[0] = STACK_BASE;
        return this.run(EXPORT_RUN);
      case 'resume':
        if (this.exited) return;
        return this.run(EXPORT_RESUME);
      case 'freeze': return this.tell({ is: 'frozen', state: this.held(), pages: this.pages(), exited: this.exited });
      case 'grow': {
        const more = command.pages - this.pages();
        if (more > 0) this.setup.memories.memory.grow(more);
        return this.tell({ is: 'grown' });
      }
      case 'load':
        this.load(command.state);
        return this.tell({ is: 'loaded' });
    }
  }

  // Running.

  private call(name: string, ...args: (number | bigint)[]): number | bigint | undefined {
    const callee = this.exports[name];
    if (!callee) throw new Error(`the module has no export ${name}: it was not instrumented by this version`);
    return callee(...args);
  }

  private global(name: string): WebAssembly.Global {
    return this.instance.exports[name] as WebAssembly.Global;
  }

  private run(entry: typeof EXPORT_RUN | typeof EXPORT_RESUME): void {
    this.global(EXPORT_NEXT).value = STACK_BASE;
    this.global(EXPORT_SAVED).value = savingBase(this.setup.stackBytes);
    try {
      this.call(entry);
      return this.exit(0);
    } catch (thrown) {
      if (thrown instanceof ProgramExit) return this.exit(thrown.code);
      if (!(thrown instanceof WebAssembly.Exception && thrown.is(this.unwindTag)) || !this.gatherStack()) return this.fail(thrown);
    }
    this.unwinding = false;
    this.queue = [];
    while (receiveMessageOnPort(this.setup.records));
    this.measure();
    this.tell({ is: 'frozen', state: this.held(), pages: this.pages(), exited: false });
  }

  private exit(code: number): void {
    this.exited = true;
    this.system.cut(code);
    this.measure();
    this.tell({ is: 'exited', code, state: this.held(), pages: this.pages() });
  }

  private fail(thrown: unknown): void {
    const said = this.stderr.length > 0 ? `; it wrote last: ${this.stderr.subarray(-400).toString()}` : '';
    const deep = thrown instanceof RangeError;
    if (this.unwinding) {
      return this.tell({ is: 'fault', code: 'limit-exceeded', reason: `its call stack takes more than ${this.setup.stackBytes} bytes when it is captured: limits.stackBytes` });
    }
    if (deep) return this.tell({ is: 'fault', code: 'thread-fault', reason: `its calls are nested too deep (${thrown.message})${said}` });
    if (thrown instanceof WebAssembly.RuntimeError) return this.tell({ is: 'fault', code: 'thread-fault', reason: `trap: ${thrown.message}${said}` });
    this.tell({ is: 'fault', code: 'internal', reason: thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown) });
  }

  /** Leaves the program: every frame saves itself as the exception passes through it. */
  private unwind(): never {
    this.unwinding = true;
    throw new WebAssembly.Exception(this.unwindTag, []);
  }
  /** Puts the frames that were saved before those that were not resumed yet; false when they are too many. */
  private gatherStack(): boolean {
    const [next, saved, begin] = [this.global(EXPORT_NEXT).value, this.global(EXPORT_SAVED).value, savingBase(this.setup.stackBytes)];
    const savedBytes = saved - begin;
    const endBytes = STACK_BASE + savedBytes + this.stackEnd[0]! - next;
    if (endBytes > STACK_BASE + this.setup.stackBytes) return false;
    this.stack.copyWithin(STACK_BASE + savedBytes, next, this.stackEnd[0]);
    this.stack.copyWithin(STACK_BASE, begin, saved);
    this.stackEnd[0] = endBytes;
    return true;
  }
  private get freezeAsked(): boolean {
    return (Atomics.load(this.words, WORD.attention) & ATTENTION.freeze) !== 0;
  }

  private poll(site: number): void {
    Atomics.and(this.words, WORD.attention, ~ATTENTION.tick);
    Atomics.add(this.words, WORD.sites + (site % SITE_COUNTERS), 1);
    this.reals[REAL.polls]!++;
    this.measure();
    const ratio = this.reals[REAL.dutyRatio]!;
    if (ratio < 1) this.hold(ratio);
    if (this.freezeAsked) this.unwind();
  }

  private hold(ratio: number): void {
    const begin = performance.now();
    if (ratio !== this.dutyRatio) this.duty = new Duty(begin, cpuMs());
    this.dutyRatio = ratio;
    const seen = Atomics.load(this.words, WORD.wake);
    const dueMs = this.freezeAsked ? 0 : this.duty.dueMs(begin, cpuMs(), ratio);
    if (dueMs <= 0) return;
    Atomics.wait(this.words, WORD.wake, seen, dueMs);
    this.reals[REAL.heldSeconds]! += (performance.now() - begin) / 1_000;
  }

  private measure(): void {
    this.reals[REAL.cpuSeconds] = (cpuMs() - this.cpuAtStart) / 1_000;
    Atomics.store(this.words, WORD.memoryPages, this.pages());
  }
  private pages(): number {
    return this.setup.memories.memory.buffer.byteLength / WASM_PAGE_BYTES;
  }

  // The world of the program.

  private wasiCall(name: string, counter: number, args: readonly (number | bigint)[]): number {
    Atomics.add(this.words, WORD.calls + counter, 1);
    const answer = this.system.call(name, args);
    return answer === UNWIND ? this.unwind() : answer;
  }

  private takeRecord(): InputRecord | undefined {
    this.measure();
    for (;;) {
      const seen = Atomics.load(this.words, WORD.feed);
      if (this.freezeAsked) return undefined;
      const record = this.nextRecord();
      if (record) {
        Atomics.add(this.words, WORD.consumedRecords, 1);
        this.tell({ is: 'consumed', seq: record.seq });
        return record;
      }
      Atomics.wait(this.words, WORD.feed, seen, WAIT_MS);
    }
  }
  /** Records at or below the cursor were consumed before: whoever feeds from an older place does no harm. */
  private nextRecord(): InputRecord | undefined {
    for (;;) {
      const record = this.queue.shift();
      if (record && record.seq > this.system.state.cursorSeq) return record;
      if (record) continue;
      const batch = receiveMessageOnPort(this.setup.records);
      if (!batch) return undefined;
      this.queue = [...(batch.message as RecordBatch)];
    }
  }

  private output({ causedBySeq, originMs, bytes, exitCode }: OutputDraft): void {
    // Bytes of their own: a message carries all of the buffer that it shows a part of, and Node's pool is 64 KiB.
    this.tell({ is: 'output', causedBySeq, originMs, bytes: Uint8Array.prototype.slice.call(bytes), exitCode });
  }

  // State that only this thread can reach.

  private held(): HeldState {
    const { description } = this.setup;
    const { state } = this.system;
    const bits = (name: string): bigint => BigInt.asUintN(64, BigInt(this.call(name) ?? 0));
    return {
      globals: description.globals.flatMap((type, n) => (type === 'v' ? [bits(`godwit.get.${n}.0`), bits(`godwit.get.${n}.1`)] : [bits(`godwit.get.${n}`)])),
      tables: this.savedTables(),
      wasi: encodeWasi(state), cursorSeq: state.cursorSeq, recordMs: state.recordMs, clockAsks: state.clockAsks, random: state.random.saved(),
    };
  }

  private savedTables(): number[][] {
    const { tables, tableFunctions } = this.setup.description;
    const index = new Map(tableFunctions.map((f) => [this.instance.exports[`godwit.function.${f}`] as unknown, f]));
    return tables.map(({ export: name }) => {
      const table = this.instance.exports[name] as WebAssembly.Table;
      return Array.from({ length: table.length }, (_, i) => {
        const entry: unknown = table.get(i);
        if (entry === null) return -1;
        const known = index.get(entry);
        if (known === undefined) throw new Error(`entry ${i} of ${name} is a function that no table should hold`);
        return known;
      });
    });
  }

  private load(state: HeldState): void {
    const { description } = this.setup;
    let at = 0;
    description.globals.forEach((type, n) => {
      const first = state.globals[at++]!;
      if (type === 'v') this.call(`godwit.set.${n}`, BigInt.asIntN(64, first), BigInt.asIntN(64, state.globals[at++]!));
      else this.call(`godwit.set.${n}`, type === 'i' || type === 'f' ? Number(BigInt.asIntN(32, first)) : BigInt.asIntN(64, first));
    });
    for (const drop of description.drops) if (this.call(`godwit.get.${drop.global}`) === 1) this.call(drop.export);
    description.tables.forEach(({ export: name }, t) => {
      const table = this.instance.exports[name] as WebAssembly.Table;
      const entries = state.tables[t]!;
      if (entries.length > table.length) table.grow(entries.length - table.length, null);
      entries.forEach((f, i) => table.set(i, f < 0 ? null : this.instance.exports[`godwit.function.${f}`]));
    });
    this.system = this.systemWith(decodeWasi(state.wasi, state));
  }
}

/** CPU time of this thread alone, ms. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

const port = parentPort;
if (!port) throw new Error('this file is the entry of a worker');
const setup = workerData as WorkerSetup;
const tell = (message: FromWorker): void => port.postMessage(message);
const worker = new ProgramWorker(setup, tell);
port.on('message', (command: ToWorker) => worker.handle(command));
tell({ is: 'ready' });
