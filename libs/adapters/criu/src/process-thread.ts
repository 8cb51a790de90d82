/**
 * One Linux process tree as a thread.
 *
 * Exactly once across two pipes. The program's input and output are named pipes, and a pipe holds up to 64 KiB that
 * belong to nobody: written, not read. When the tree is stopped, this side reads both pipes empty. What came out of
 * `in` is what the program has not read: it goes into the snapshot (`stdin`), and back into a pipe before the program
 * goes on, here or elsewhere. What came out of `out` are outputs, but for an unfinished line (`stdout` of the snapshot).
 * So CRIU always sees empty pipes, the cursor is the last record of which a byte was handed over, and no byte is lost
 * or repeated. Rejected: letting CRIU dump the pipes (it does, but then what the other side had written is inside an
 * image, and what it had not is not), and sockets (their peer is outside the tree, which CRIU refuses).
 *
 * The next record is handed over when the program waits for it (`waiting.ts`), so an output's `causedBySeq` is exact
 * for a program that reads, works and answers. A process takes time and chance from its machine: the thread is not
 * deterministic, and the agent holds its outputs until the checkpoint that covers them is durable.
 *
 * Invariants: P1. While frozen, every process is stopped and every pipe empty. P2. The snapshot of one freeze is taken
 * once: CRIU's images are never the same twice. P3. What is restored is judged before (images) and after (what the
 * kernel says of each process); one finding ends the cell. P4. After a fault nothing of the program is left.
 */
import { isRefusal, refuse, Xoshiro128, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import type { InputRecord, RuntimeEvents, RuntimeSample, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { CHAIN_START, chainOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { asRefusal, rebuildTree, takeImages } from './cell-images.js';
import { Cell, type CellOptions } from './cell.js';
import { lastLine } from './command.js';
import { DutyTimer } from './duty-timer.js';
import { OutputLines } from './output-lines.js';
import { InputPipe, OutputPipe, pipePath } from './pipes.js';
import { CLOCK_TICKS_PER_SECOND } from './proc-tree.js';
import { fromSections, toSections, type ProcessState } from './snapshot-sections.js';
import { lookAt, WaitWatch, type Look } from './waiting.js';

type Life = 'staged' | 'running' | 'freezing' | 'frozen' | 'exited' | 'faulted' | 'stopped';

export interface ProcessThreadOptions {
  readonly program: ThreadProgram;
  /** Where the program lies, the same on every machine. */
  readonly path: string;
  readonly cell: CellOptions;
  readonly events: RuntimeEvents;
  readonly sha256: Sha256Of;
}

const LOOK_MS = 100;
const KEPT_ERROR_BYTES = 4_096;
const PAGE_BYTES = 4_096;
const MIB = 1024 * 1024;
/** CRIU's own files, and what a C library maps besides the program's memory. */
const IMAGE_SLACK_BYTES = 16 * MIB;
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

export class ProcessThread implements ThreadInstance {
  private life: Life = 'staged';
  private fault: Refusal | undefined;
  private cell: Cell | undefined;
  private input: InputPipe | undefined;
  private pipes: OutputPipe[] = [];
  private queue: InputRecord[] = [];
  private serving: InputRecord | undefined;
  private lines = this.linesFrom(new Uint8Array(0));
  private errors = Buffer.alloc(0);
  private status = '';
  private cursorSeq = 0;
  private originMs = 0;
  private recordMs = 0;
  private waits = 0;
  private waiting = false;
  private inputEnded = false;
  private exitCode: number | undefined;
  private outN = 0;
  private chainHash: Sha256 = CHAIN_START;
  private unread: Uint8Array = new Uint8Array(0);
  private taken: Promise<ThreadSnapshot | Refusal> | undefined;
  private freezing: Promise<void | Refusal> | undefined;
  private readonly duty = new DutyTimer((held) => this.hold(held));
  private holding: Promise<void> = Promise.resolve();
  private readonly watch = new WaitWatch(() => this.look(), () => this.programWaits(), () => performance.now());
  private looking: NodeJS.Timeout | undefined;
  private cpuTicks = 0;
  private residentBytes = 0;
  private consumedRecords = 0;

  constructor(private readonly options: ProcessThreadOptions) {}

  /** @throws OperationError `unsupported` when this machine has no cell to give. */
  async open(): Promise<void> {
    this.cell = await Cell.open(this.options.cell);
    const folder = this.cell.pipes;
    this.input = new InputPipe(pipePath(folder, 'in'), () => this.handedOver());
    const [out, err, status] = [
      new OutputPipe(pipePath(folder, 'out'), (bytes) => this.lines.take(bytes)),
      new OutputPipe(pipePath(folder, 'err'), (bytes) => { this.errors = Buffer.concat([this.errors, bytes]).subarray(-KEPT_ERROR_BYTES); }),
      new OutputPipe(pipePath(folder, 'status'), (bytes) => this.heardStatus(bytes)),
    ];
    this.pipes = [out, err, status];
  }

  // --- commands ---

  async start(): Promise<void | Refusal> {
    const refused = this.expect('start', 'staged');
    if (refused) return refused;
    const { program, path } = this.options;
    try {
      await this.cell!.launch({ path, args: program.args, environment: { PATH: DEFAULT_PATH, ...program.env } });
    } catch (error) {
      return asRefusal(error);
    }
    this.run();
  }

  async restore(snapshot: ThreadSnapshot): Promise<void | Refusal> {
    const refused = this.expect('restore', 'staged') ?? this.foreign(snapshot);
    if (refused) return refused;
    const { program, sha256, cell: cellOptions } = this.options;
    const state = fromSections(snapshot, { imageBytes: imageLimit(program) }, sha256);
    if (isRefusal(state)) return state;
    const failed = state.exitCode === undefined ? await rebuildTree(this.cell!, cellOptions, state.images) : undefined;
    if (failed) {
      // Whatever was rebuilt in part must go; the next attempt gets a cell of its own.
      await this.closeCell();
      await this.open();
      return failed;
    }
    this.adopt(snapshot, state);
  }

  private adopt(snapshot: ThreadSnapshot, state: ProcessState): void {
    ({ cursorSeq: this.cursorSeq, outN: this.outN, chainHash: this.chainHash } = snapshot);
    ({ recordMs: this.recordMs, polls: this.waits } = snapshot.clock);
    ({ exitCode: this.exitCode, inputEnded: this.inputEnded, originMs: this.originMs, waiting: this.waiting } = state);
    this.unread = state.unread;
    this.lines = this.linesFrom(state.unfinished);
    this.taken = Promise.resolve({ ...snapshot, pendingOutputs: [] });
    this.life = state.exitCode === undefined ? 'frozen' : 'exited';
  }

  private foreign(snapshot: ThreadSnapshot): Refusal | undefined {
    const { thread, sha256 } = this.options.program;
    const no = (field: 'thread' | 'runtime' | 'program', here: string): Refusal => refuse('snapshot-damaged', `the snapshot's ${field} is ${snapshot[field]}, but here it is ${here}`, field);
    if (snapshot.runtime !== 'process') return no('runtime', 'process');
    if (snapshot.thread !== thread) return no('thread', thread);
    return snapshot.program === sha256 ? undefined : no('program', sha256);
  }

  feed(records: readonly InputRecord[]): void {
    if (this.life !== 'running' && this.life !== 'staged') return;
    this.queue.push(...records);
    this.handOver();
  }

  freeze(): Promise<void | Refusal> {
    if (this.life === 'frozen' || this.life === 'exited') return Promise.resolve();
    this.freezing ??= this.performFreeze().finally(() => { this.freezing = undefined; });
    return this.freezing;
  }

  private async performFreeze(): Promise<void | Refusal> {
    const refused = this.expect('freeze', 'running');
    if (refused) return refused;
    this.life = 'freezing';
    this.queue = [];
    this.watch.stop();
    this.duty.pause();
    this.input!.pause();
    try {
      await this.holding;
      await this.cell!.stop();
    } catch (error) {
      const refusal = asRefusal(error);
      this.fail(refusal);
      return refusal;
    }
    for (const pipe of this.pipes) pipe.drain();
    if (this.life !== 'freezing') return this.fault; // it ended, or failed, while it was being stopped
    this.unread = this.input!.takeBack();
    this.finishServing();
    this.taken = undefined;
    this.life = 'frozen';
  }

  snapshot(): Promise<ThreadSnapshot | Refusal> {
    if (this.life !== 'frozen' && this.life !== 'exited') return Promise.resolve(this.expect('snapshot', 'frozen')!);
    this.taken ??= this.take().then((snapshot) => {
      if (isRefusal(snapshot)) this.taken = undefined;
      return snapshot;
    });
    return this.taken;
  }

  private async take(): Promise<ThreadSnapshot | Refusal> {
    const images = this.exitCode === undefined ? await takeImages(this.cell!, this.options.cell, imageLimit(this.options.program)) : [];
    if (isRefusal(images)) return images;
    const { program, sha256 } = this.options;
    const own = {
      thread: program.thread, program: program.sha256, cursorSeq: this.cursorSeq, outN: this.outN, chainHash: this.chainHash,
      clock: { recordMs: this.recordMs, polls: this.waits }, random: Xoshiro128.seeded(program.seed).saved(),
    };
    const state = {
      exitCode: this.exitCode, inputEnded: this.inputEnded, originMs: this.originMs, waiting: this.waiting, unread: this.unread, unfinished: this.lines.unfinished, images,
    };
    return { ...own, runtime: 'process', pendingOutputs: [], sections: toSections(own, state, sha256) };
  }

  resume(): void {
    if (this.life === 'frozen') this.run();
  }

  private run(): void {
    this.life = 'running';
    this.taken = undefined;
    const { unread } = this;
    this.unread = new Uint8Array(0);
    // P1, backwards: what was not read lies in the pipe before the program goes on.
    if (unread.length > 0 || this.inputEnded) this.input!.write(Buffer.from(unread), this.inputEnded);
    this.cell!.continue();
    this.duty.resume();
    this.looking ??= setInterval(() => this.lookAround(), LOOK_MS);
    if (this.waiting && unread.length === 0) this.handOver();
    else this.watch.start();
  }

  setDuty(ratio: number): void {
    if (!(ratio > 0 && ratio <= 1)) throw new RangeError(`setDuty: ratio must be above 0 and at most 1, but is ${ratio}`);
    this.duty.set(ratio);
  }

  sample(): RuntimeSample {
    if (this.life === 'running') this.measure();
    return {
      cpuSeconds: this.cpuTicks / CLOCK_TICKS_PER_SECOND, polls: this.waits, heldSeconds: this.duty.heldSeconds, stateBytes: this.residentBytes,
      consumedRecords: this.consumedRecords, traces: {},
    };
  }

  async stop(): Promise<void> {
    if (this.life === 'stopped') return;
    this.life = 'stopped';
    this.rest();
    await this.freezing?.catch(() => undefined); // whoever asked for the freeze hears of its failure
    await this.taken?.catch(() => undefined);
    await this.closeCell();
  }

  // --- input ---

  private handOver(): void {
    if (this.life !== 'running' || !this.waiting || this.serving || this.inputEnded) return;
    const record = this.queue.shift();
    if (!record) return;
    this.waiting = false;
    // An unfinished line belongs to the record before: cut here, at the boundary.
    this.lines.cut();
    this.serving = record;
    this.cursorSeq = record.seq;
    this.originMs = record.originMs;
    this.recordMs = record.atMs;
    this.inputEnded = record.end;
    this.input!.write(Buffer.concat(record.messages.map((message) => message.payload)), record.end);
  }

  private handedOver(): void {
    this.finishServing();
    if (this.life === 'running' && !this.waiting) this.watch.start();
  }

  /** Every byte of the record is in the pipe, or in the snapshot. */
  private finishServing(): void {
    const record = this.serving;
    if (!record) return;
    this.serving = undefined;
    this.consumedRecords++;
    this.options.events.onConsumed(record.seq);
  }

  private look(): Look {
    const { cell, input } = this;
    if (!cell || !input?.idle || this.life !== 'running' || this.duty.held) return { wait: 'busy', switches: undefined };
    return lookAt(cell.tree().slice(1).map(({ pid }) => pid), input.inode);
  }

  private programWaits(): void {
    if (this.life !== 'running') return;
    this.pipes[0]!.drain();
    this.waits++;
    this.waiting = true;
    this.handOver();
  }

  // --- output and end ---

  private linesFrom(rest: Uint8Array): OutputLines {
    return new OutputLines((bytes) => this.output(bytes), rest);
  }

  private output(bytes: Uint8Array, exit?: { readonly code: number }): void {
    if (this.life === 'stopped' || this.life === 'faulted') return;
    const draft = { n: this.outN + 1, causedBySeq: this.cursorSeq, originMs: this.originMs, messages: bytes.length > 0 ? [{ kind: '', payload: bytes }] : [] };
    const output = chainOutput(this.chainHash, exit ? { ...draft, exit } : draft, this.options.sha256);
    this.outN = output.n;
    this.chainHash = output.hash;
    this.options.events.onOutput(output);
  }

  private heardStatus(bytes: Buffer): void {
    this.status += bytes.toString('latin1');
    const code = /^(\d{1,3})\n/.exec(this.status)?.[1];
    if (code === undefined || (this.life !== 'running' && this.life !== 'freezing')) return;
    this.pipes[0]!.drain();
    this.finishServing();
    this.exitCode = Number(code);
    this.life = 'exited';
    this.rest();
    this.output(this.lines.takeRest(), { code: this.exitCode });
    this.options.events.onExit(this.exitCode);
  }

  /** Ten times a second: is it still there, and within its memory? */
  private lookAround(): void {
    if (this.life !== 'running') return;
    this.measure();
    const { memoryBytes } = this.options.program.limits;
    if (this.residentBytes > memoryBytes) return this.fail(refuse('limit-exceeded', `the processes use ${this.residentBytes} bytes; the limit is ${memoryBytes}`, 'limits.memoryBytes'));
    if (this.cell!.rootPid !== undefined) return;
    this.pipes[2]!.drain();
    // The life may have changed: the status may have come just now.
    if ((this.life as Life) === 'running') this.fail(refuse('thread-fault', `the process tree ended without an exit code${this.lastErrors()}`));
  }

  private measure(): void {
    const tree = this.cell?.tree() ?? [];
    if (tree.length === 0) return;
    this.cpuTicks = Math.max(this.cpuTicks, tree.reduce((sum, task) => sum + task.cpuTicks, 0));
    this.residentBytes = tree.reduce((sum, task) => sum + task.residentPages * PAGE_BYTES, 0);
  }

  private lastErrors(): string {
    this.pipes[1]?.drain();
    const text = lastLine(this.errors.toString('utf8'));
    return text === '' ? '' : `; it last said: ${text.slice(0, 500)}`;
  }

  private hold(held: boolean): void {
    const work = async (): Promise<void> => {
      if (this.life !== 'running') return;
      if (held) await this.cell!.stop();
      else this.cell!.continue();
    };
    this.holding = this.holding.then(work).catch((error: unknown) => this.fail(asRefusal(error)));
  }

  private fail(fault: Refusal): void {
    if (this.life === 'stopped' || this.life === 'faulted' || this.life === 'exited') return;
    this.life = 'faulted';
    this.fault = fault;
    this.rest();
    this.options.events.onFault(fault);
    void this.closeCell(); // P4
  }

  private rest(): void {
    clearInterval(this.looking);
    this.looking = undefined;
    this.watch.stop();
    this.duty.pause();
    this.input?.pause();
  }

  private async closeCell(): Promise<void> {
    const { cell } = this;
    this.cell = undefined;
    for (const pipe of this.pipes.splice(0)) pipe.close();
    this.input?.close();
    this.input = undefined;
    await cell?.close();
  }

  private expect(action: string, wanted: Life): Refusal | undefined {
    if (this.life === wanted) return undefined;
    return this.fault ?? refuse('conflict', `${action} needs a thread that is ${wanted}, and this one is ${this.life}`);
  }
}

const imageLimit = (program: ThreadProgram): number => program.limits.memoryBytes + IMAGE_SLACK_BYTES;
