/**
 * The `wasm` runtime: one program in one worker, its memory shared with this thread. Keeps R1–R5 of the port. The
 * worker runs and waits; everything durable (output numbers, hash chain, snapshots) is kept here.
 */
import { createHash } from 'node:crypto';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { isRefusal, refuse, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import type { InputRecord, LiveImage, Runtime, RuntimeEvents, RuntimeSample, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { CHAIN_START, chainOutput, type Message, type ThreadSnapshot } from '@godwit/snapshot';
import { ATTENTION, REAL, SITE_COUNTERS, STACK_BASE, WASM_PAGE_BYTES, WORD, type ModuleDescription } from './abi.js';
import { entryOf } from './entry.js';
import { describe, ensureMigratable } from './instrument.js';
import { clearMemory, encodeMemory, writeMemory } from './memory-image.js';
import type { FromWorker, HeldState, ToWorker, WorkerSetup } from './protocol.js';
import { capturedStack, decodeSections, encodeSections, putStack, stagedMemory, type Fitting } from './sections.js';
import { SafepointWatchdog } from './watchdog.js';
import { WASI_NAMES } from './wasi.js';
import { WrittenCards } from './written-cards.js';

/** How often the program looks up from its work at the next safepoint: for its counters and its duty cycle. */
const TICK_MS = 10;
/** The native stack of the worker: captured frames are smaller than native ones, so this is a multiple of the limit. */
const NATIVE_STACK_RATIO = 4;
const MIB = 1024 * 1024;

type Phase = 'ready' | 'running' | 'freezing' | 'frozen' | 'exited' | 'faulted' | 'stopped';

function untilReady(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      worker.off('message', onReady).off('error', settle).off('exit', onExit);
      if (error) reject(error);
      else resolve();
    };
    const onReady = (): void => settle();
    const onExit = (): void => settle(new Error('the worker ended before it was ready'));
    worker.on('message', onReady).on('error', settle).on('exit', onExit);
  });
}

class WasmThread implements ThreadInstance {
  readonly image: LiveImage;
  /** The memory of a staged thread holds no more what the module's data segments have put there. */
  private cleared = false;
  private phase: Phase = 'ready';
  private readonly words: Int32Array;
  private readonly reals: Float64Array;
  private outN = 0;
  private chainHash: Sha256 = CHAIN_START;
  private held: HeldState | undefined;
  private fault: Refusal | undefined;
  private freezeWaiters: ((result: void | Refusal) => void)[] = [];
  private readonly answers: ((message: FromWorker) => void)[] = [];
  private ticks: NodeJS.Timeout | undefined;
  private readonly watchdog: SafepointWatchdog;

  constructor(
    private readonly program: ThreadProgram, private readonly events: RuntimeEvents, private readonly sha256: Sha256Of,
    private readonly fitting: Fitting, private readonly memories: WorkerSetup['memories'], private readonly worker: Worker, private readonly records: MessagePort,
  ) {
    this.image = this.liveImage();
    this.words = new Int32Array(memories.control.buffer);
    this.reals = new Float64Array(memories.control.buffer);
    this.watchdog = new SafepointWatchdog(worker, program.limits.safepointMs, (cpuMs) => this.failed(refuse('limit-exceeded',
      `the program used ${Math.round(cpuMs)} ms of CPU without reaching a safepoint, and limits.safepointMs is ${program.limits.safepointMs}`, 'limits.safepointMs')));
    worker.on('message', (message: FromWorker) => this.hear(message));
    worker.on('error', (error) => this.failed(refuse('thread-fault', `the program brought its worker down: ${error.message}`)));
    worker.on('exit', () => this.failed(refuse('thread-fault', 'the program’s worker ended')));
  }

  /** The program's memory. Its buffer is replaced when it grows: read it each time. */
  private get memory(): WebAssembly.Memory {
    return this.memories.memory;
  }
  private bytes(): Uint8Array {
    this.memory.grow(0); // this thread's view of the buffer, which the worker may have grown
    return new Uint8Array(this.memory.buffer);
  }
  private async grown(pages: number): Promise<Uint8Array> {
    await this.ask({ do: 'grow', pages });
    return this.bytes();
  }

  // Commands.

  async start(): Promise<void | Refusal> {
    if (this.phase !== 'ready') return this.wrongPhase('start');
    this.run({ do: 'start' });
  }

  restore(snapshot: ThreadSnapshot): Promise<void | Refusal> {
    return this.rebuild(snapshot, undefined);
  }

  /** @param stagedPages of a live copy: the memory's content is in its place, and has so many pages */
  private async rebuild(snapshot: ThreadSnapshot, stagedPages: number | undefined): Promise<void | Refusal> {
    if (this.phase !== 'ready') return this.wrongPhase('restore');
    if (snapshot.runtime !== 'wasm') return refuse('snapshot-damaged', `snapshot: it is of the runtime ${snapshot.runtime}`, 'runtime');
    if (snapshot.program !== this.program.sha256) return refuse('snapshot-damaged', 'snapshot: it is of another program', 'program');
    if (snapshot.thread !== this.program.thread) return refuse('snapshot-damaged', `snapshot: it is of the thread ${snapshot.thread}`, 'thread');
    const image = decodeSections(snapshot, this.fitting, stagedPages);
    if (isRefusal(image)) return image;
    if (stagedPages === undefined) writeMemory(await this.grown(image.memory.pages), image.memory);
    putStack(new Uint8Array(this.memories.stack.buffer), image.stack, this.program.limits.stackBytes);
    await this.ask({ do: 'load', state: image.held });
    this.held = image.held;
    this.outN = snapshot.outN;
    this.chainHash = snapshot.chainHash;
    Atomics.store(this.words, WORD.memoryPages, image.memory.pages);
    this.phase = image.exited ? 'exited' : 'frozen';
  }

  /** The shared memory is the image: the worker's program writes it, this thread reads it, or fills it at a target. */
  private liveImage(): LiveImage {
    const written = this.memories.cards && new WrittenCards(this.memories.cards);
    return {
      ...(written && { written: () => written.take(this.bytes().length) }),
      maximumBytes: this.fitting.description.maximumPages * WASM_PAGE_BYTES,
      view: async () => (this.phase === 'stopped' || this.phase === 'faulted' ? this.fault ?? this.wrongPhase('a copy') : this.bytes()),
      rest: () => this.taken(() => stagedMemory(this.bytes().length / WASM_PAGE_BYTES)),
      stage: async (bytes) => {
        if (this.phase !== 'ready') return this.wrongPhase('a copy');
        const { maximumPages } = this.fitting.description;
        if (bytes > maximumPages * WASM_PAGE_BYTES) return refuse('snapshot-damaged', `snapshot: a memory of ${bytes} bytes, where ${maximumPages * WASM_PAGE_BYTES} are allowed`, 'sections.memory');
        if (!this.cleared) clearMemory(this.bytes());
        this.cleared = true;
        return this.grown(Math.ceil(bytes / WASM_PAGE_BYTES));
      },
      restore: (rest) => this.rebuild(rest, this.bytes().length / WASM_PAGE_BYTES),
    };
  }

  feed(records: readonly InputRecord[]): void {
    if (records.length === 0 || (this.phase !== 'running' && this.phase !== 'ready')) return;
    this.records.postMessage(records);
    this.wake(WORD.feed);
  }

  freeze(): Promise<void | Refusal> {
    switch (this.phase) {
      case 'faulted': return Promise.resolve(this.fault);
      case 'frozen': case 'exited': return Promise.resolve();
      case 'ready': case 'stopped': return Promise.resolve(this.wrongPhase('freeze'));
      case 'running':
        this.phase = 'freezing';
        Atomics.or(this.words, WORD.attention, ATTENTION.freeze);
        this.wake(WORD.feed);
        this.wake(WORD.wake);
        this.watchdog.start();
    }
    return new Promise((resolve) => this.freezeWaiters.push(resolve));
  }

  async snapshot(): Promise<ThreadSnapshot | Refusal> {
    return this.taken(() => encodeMemory(this.bytes()));
  }

  private async taken(memorySection: () => Uint8Array): Promise<ThreadSnapshot | Refusal> {
    const { held } = this;
    if ((this.phase !== 'frozen' && this.phase !== 'exited') || !held) return this.wrongPhase('snapshot');
    const exited = this.phase === 'exited';
    const own = {
      thread: this.program.thread, program: this.program.sha256, cursorSeq: held.cursorSeq, outN: this.outN, chainHash: this.chainHash,
      clock: { recordMs: held.recordMs, polls: held.clockAsks }, random: held.random,
    };
    const stack = exited ? new Uint8Array(0) : capturedStack(new Uint8Array(this.memories.stack.buffer));
    return { ...own, runtime: 'wasm', pendingOutputs: [], sections: encodeSections({ exited, stack, held }, memorySection(), this.fitting, own) };
  }

  resume(): void {
    if (this.phase === 'frozen') this.run({ do: 'resume' });
  }

  setDuty(ratio: number): void {
    this.reals[REAL.dutyRatio] = Math.min(1, Math.max(0.01, ratio));
    this.wake(WORD.wake);
  }

  sample(): RuntimeSample {
    const { sites } = this.fitting.description;
    const traces: Record<string, number> = {};
    for (let i = 0; i < SITE_COUNTERS; i++) {
      const taken = this.words[WORD.sites + i]!;
      // With more sites than counters several share one, under the name of the first of them.
      if (taken > 0) traces[sites[i] ?? `site:${i}`] = taken;
    }
    WASI_NAMES.forEach((name, i) => {
      const calls = this.words[WORD.calls + i]!;
      if (calls > 0) traces[`wasi:${name}`] = calls;
    });
    return {
      cpuSeconds: this.reals[REAL.cpuSeconds]!, polls: this.reals[REAL.polls]!, heldSeconds: this.reals[REAL.heldSeconds]!,
      stateBytes: this.words[WORD.memoryPages]! * WASM_PAGE_BYTES, consumedRecords: this.words[WORD.consumedRecords]!, traces,
    };
  }

  async stop(): Promise<void> {
    if (this.phase === 'stopped') return;
    this.phase = 'stopped';
    await this.end(refuse('conflict', 'the thread was stopped'));
  }

  // The worker.

  private run(command: ToWorker): void {
    this.held = undefined;
    this.phase = 'running';
    Atomics.and(this.words, WORD.attention, ~ATTENTION.freeze);
    this.ticks ??= setInterval(() => Atomics.or(this.words, WORD.attention, ATTENTION.tick), TICK_MS);
    this.worker.postMessage(command);
  }
  private rest(): void {
    clearInterval(this.ticks);
    this.ticks = undefined;
    this.watchdog.stop();
  }
  private ask(command: ToWorker): Promise<FromWorker> {
    return new Promise((resolve) => {
      this.answers.push(resolve);
      this.worker.postMessage(command);
    });
  }
  private wake(word: number): void {
    Atomics.add(this.words, word, 1);
    Atomics.notify(this.words, word);
  }

  private hear(message: FromWorker): void {
    if (this.phase === 'stopped' || this.phase === 'faulted') return;
    switch (message.is) {
      case 'output': return this.output(message);
      case 'consumed': return this.events.onConsumed(message.seq);
      case 'frozen': case 'exited':
        this.rest();
        this.held = message.state;
        this.phase = message.is;
        if (message.is === 'exited') this.events.onExit(message.code);
        return this.answerFreeze(undefined);
      case 'fault': return this.failed(refuse(message.code, message.reason, message.code === 'limit-exceeded' ? 'limits.stackBytes' : undefined));
      case 'ready': return;
      default: this.answers.shift()?.(message);
    }
  }

  private output({ causedBySeq, originMs, bytes, exitCode }: FromWorker & { is: 'output' }): void {
    const messages: Message[] = bytes.length > 0 ? [{ kind: '', payload: bytes }] : [];
    const draft = { n: this.outN + 1, causedBySeq, originMs, messages };
    const output = chainOutput(this.chainHash, exitCode === undefined ? draft : { ...draft, exit: { code: exitCode } }, this.sha256);
    this.outN = output.n;
    this.chainHash = output.hash;
    this.events.onOutput(output);
  }

  private failed(fault: Refusal): void {
    if (this.phase === 'stopped' || this.phase === 'faulted') return;
    this.phase = 'faulted';
    this.fault = fault;
    this.events.onFault(fault);
    void this.end(fault);
  }
  private async end(why: Refusal): Promise<void> {
    this.rest();
    this.answerFreeze(why);
    this.records.close();
    await this.worker.terminate();
  }
  private answerFreeze(result: void | Refusal): void {
    for (const waiter of this.freezeWaiters.splice(0)) waiter(result);
  }
  private wrongPhase(what: string): Refusal {
    return refuse('conflict', `${what} is not possible while the thread is ${this.phase}`);
  }
}

function memoriesFor(description: ModuleDescription): WorkerSetup['memories'] {
  const shared = (initial: number, maximum: number): WebAssembly.Memory => new WebAssembly.Memory({ initial, maximum, shared: true });
  const { cardPages } = description;
  const memories = {
    memory: shared(description.initialPages, description.maximumPages), control: shared(1, 1), stack: shared(description.stackPages, description.stackPages),
    ...(cardPages > 0 && { cards: shared(cardPages, cardPages) }),
  };
  new Float64Array(memories.control.buffer)[REAL.dutyRatio] = 1;
  new Int32Array(memories.control.buffer)[WORD.memoryPages] = description.initialPages;
  return memories;
}

/** Does the instrumented module keep the limits of this registration? */
function checkLimits(description: ModuleDescription, program: ThreadProgram): Refusal | undefined {
  const { limits } = program;
  const wrong = description.maximumPages * WASM_PAGE_BYTES > limits.memoryBytes ? 'memoryBytes'
    : description.stackPages * WASM_PAGE_BYTES < limits.stackBytes + STACK_BASE ? 'stackBytes'
      : description.tables.some((t) => t.maximum > limits.tableEntries) ? 'tableEntries' : undefined;
  return wrong && refuse('not-migratable', `the module was instrumented for another ${wrong}`, `limits.${wrong}`);
}

async function prepare(program: ThreadProgram, events: RuntimeEvents, sha256: Sha256Of, hostClock: boolean): Promise<ThreadInstance | Refusal> {
  const migratable = program.migratable ?? await ensureMigratable(program.bytes, program.limits);
  if (isRefusal(migratable)) return migratable;
  const description = describe(migratable);
  if (isRefusal(description)) return description;
  const unfit = checkLimits(description, program);
  if (unfit) return unfit;
  const memories = memoriesFor(description);
  const { port1: records, port2: theirs } = new MessageChannel();
  const setup: WorkerSetup = {
    module: await WebAssembly.compile(migratable), description, memories, records: theirs, args: program.args, env: program.env, seed: program.seed,
    stackBytes: program.limits.stackBytes, hostClock,
  };
  const { url, execArgv } = entryOf('worker');
  const stackSizeMb = 8 + Math.ceil((program.limits.stackBytes * NATIVE_STACK_RATIO) / MIB);
  const worker = new Worker(url, { workerData: setup, transferList: [theirs], execArgv, resourceLimits: { stackSizeMb }, stdout: true });
  try {
    await untilReady(worker);
  } catch (error) {
    await worker.terminate();
    return refuse('invalid-program', `it could not be instantiated: ${(error as Error).message}`, 'bytes');
  }
  // Not all at once: that would also take away what a worker itself listens to, and no message would come any more.
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
  const fitting: Fitting = { description, migratableDigest: createHash('sha256').update(migratable).digest(), stackBytes: program.limits.stackBytes };
  return new WasmThread(program, events, sha256, fitting, memories, worker, records);
}

/** The runtime for WASI preview 1 programs. @param options `hostClock`: for benches, see `programs/moving.c` */
export const wasmRuntime = (options: { readonly hostClock?: boolean } = {}): Runtime => ({
  kind: 'wasm', prepare: (program, events, sha256) => prepare(program, events, sha256, options.hostClock ?? false),
});
