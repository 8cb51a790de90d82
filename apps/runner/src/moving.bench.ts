/**
 * What a move costs the thread that is moved: `npm run bench -- moving`. One C program, compiled twice: to WASM, moved
 * live between two runner processes of this machine; natively, dumped and restored by CRIU. The freeze is what the program
 * itself sees: the gap between two of its looks at the host's monotonic clock that the move has left.
 *
 *   compared, tracked   how the changes since the last round are found at the freeze: by comparing the memory with its copy, or by
 *                       the marks of instrumented stores (`rewrite.ts`); the registered memory limit decides
 *
 * Left out: the durable append (0.4 ms) and the two messages through the broker that a move of the whole system adds;
 * another machine's network (CRIU's images do not travel at all, they stay on this disk); the native program needs no
 * worker and no thread that finds changes. Without CRIU those columns say why they are empty.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BulkDoor, knock } from '@godwit/bulk';
import { criuFor, type CriuPeer } from '@godwit/criu';
import { isRefusal, OperationError, type MigrationId, type Refusal, type Sha256, type ThreadId } from '@godwit/kernel';
import { defaultRunnerEntry, RunnerProcess } from '@godwit/runner-host';
import type { CopyProgress, ThreadProgram } from '@godwit/runtime';
import { resolveCriu } from '@godwit/servers';
import { ensureMigratable } from '@godwit/wasm';

const MIB = 1024 * 1024;
/** Words written at random places each millisecond: 16 MB/s of dirty blocks. */
const WORDS_PER_MS = 4;
const CRIU_MOVES = 3;
interface Row {
  readonly mib: number;
  /** Registered beyond the working set: above 64 MiB in all, writes are tracked. */
  readonly spareMib: number;
  readonly how: 'compared' | 'tracked';
  readonly moves: number;
  /** Largest share of CRIU's freeze. */
  readonly freezeGoal: number;
}
const ROWS: readonly Row[] = [
  { mib: 1, spareMib: 16, how: 'compared', moves: 9, freezeGoal: 1 / 6 },
  { mib: 16, spareMib: 16, how: 'compared', moves: 9, freezeGoal: 1 / 10 },
  { mib: 16, spareMib: 64, how: 'tracked', moves: 30, freezeGoal: 1 / 20 },
  { mib: 64, spareMib: 64, how: 'tracked', moves: 7, freezeGoal: 1 / 40 },
  { mib: 256, spareMib: 64, how: 'tracked', moves: 5, freezeGoal: 1 / 60 },
  { mib: 1_024, spareMib: 64, how: 'tracked', moves: 3, freezeGoal: 1 / 300 },
];
/** Free memory that a row needs, as a multiple of its working set: two runners, each with a copy, and CRIU's images. */
const MEMORY_RATIO = 6;
/** The move of which the tail is looked at. */
const TAIL_MOVES = 30;
const TAIL_GOAL = 3;
const TOTAL_GOAL = 1.3;
const BYTES_GOAL = 1.1;
const STATE_GOAL = 0.9;
/** The row of a thread that writes 100 MB/s of blocks while it moves over 1 Gbit/s. */
const BUSY = { mib: 64, wordsPerMs: 24, linkBytesPerSecond: 125e6, moves: 3, bytesGoal: 1.5, linkGoal: 0.95 } as const;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const verdict = (ratio: number, goal: number): string => (Number.isNaN(ratio) ? 'not measured' : ratio <= goal ? 'met' : 'missed');
const reached = (ratio: number, goal: number): string => (Number.isNaN(ratio) ? 'not measured' : ratio >= goal ? 'met' : 'missed');
const gapsOf = (lines: readonly string[]): number[] => lines.flatMap((line) => { const found = /^gap (\d+)/.exec(line); return found ? [Number(found[1]) / 1e6] : []; });
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Bytes per second between two Node processes over loopback, nothing else done with them. */
async function bareSocket(bytes: number): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const script = `const s=require('net').connect(${(server.address() as AddressInfo).port},'127.0.0.1',()=>{const b=Buffer.alloc(262144,1);let left=${bytes};const go=()=>{while(left>0){const n=Math.min(b.length,left);left-=n;if(!s.write(b.subarray(0,n)))return void s.once('drain',go)}s.end()};go()})`;
  const rate = new Promise<number>((resolve) => server.once('connection', (socket) => {
    const startMs = performance.now();
    let got = 0;
    socket.on('data', (chunk) => (got += chunk.length)).on('end', () => resolve((got * 1_000) / (performance.now() - startMs)));
  }));
  const child = spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
  const measured = await rate;
  child.kill();
  server.close();
  return measured;
}

/** A door in front of a door, through which so many bytes pass per second. */
async function shapedDoor(port: number, bytesPerSecond: number): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    let freeAtMs = 0;
    from.on('data', (chunk: Buffer) => {
      freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length * 1_000) / bytesPerSecond;
      const aheadMs = freeAtMs - performance.now();
      to.write(chunk);
      if (aheadMs < 2) return;
      from.pause();
      setTimeout(() => from.resume(), aheadMs);
    }).on('end', () => to.end()).on('close', () => to.destroy()).on('error', () => to.destroy());
    to.on('data', (chunk: Buffer) => void from.write(chunk)).on('close', () => from.destroy()).on('error', () => from.destroy());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

// --- our moves ---

const TIMEOUT_MS = 120_000;
const granted = <T>(value: T | Refusal): T => {
  if (isRefusal(value)) throw new Error(`${value.code}: ${value.reason}`);
  return value;
};

interface LiveMove {
  /** From the first byte until the thread runs at the target. */
  readonly totalMs: number;
  /** From the order to freeze until the target was told to go on, by this process's clock. */
  readonly orderedFreezeMs: number;
  readonly wireBytes: number;
  readonly rounds: number;
  readonly frozenBytes: number;
}

/** One thread in a runner, moved to a new runner each time. */
class MovingThread {
  private runner: RunnerProcess;
  private lines: string[] = [];
  private watchers: (() => void)[] = [];
  private onCopy: (progress: CopyProgress) => void = () => undefined;
  private readonly program: ThreadProgram;
  private readonly door: BulkDoor;

  private constructor(program: ThreadProgram, door: BulkDoor, runner: RunnerProcess) {
    this.program = program;
    this.door = door;
    this.runner = runner;
  }

  static async start(program: ThreadProgram): Promise<MovingThread> {
    const door = await BulkDoor.open('127.0.0.1');
    const thread = new MovingThread(program, door, await MovingThread.fresh(program));
    thread.listen(thread.runner);
    granted(await thread.runner.request('start', {}, { timeoutMs: TIMEOUT_MS }));
    return thread;
  }

  private static async fresh(program: ThreadProgram): Promise<RunnerProcess> {
    const runner = RunnerProcess.start(defaultRunnerEntry(), { GODWIT_HOST_CLOCK: 'bench' });
    await runner.ready;
    granted(await runner.request('prepare', { program }, { timeoutMs: TIMEOUT_MS }));
    return runner;
  }

  private listen(runner: RunnerProcess): void {
    runner.listen({
      onOutput: ({ messages }) => {
        for (const { payload } of messages) this.lines.push(...Buffer.from(payload).toString().split('\n').filter((line) => line !== ''));
        for (const watcher of this.watchers.splice(0)) watcher();
      },
      onCopy: (progress) => this.onCopy(progress),
      onConsumed() {}, onSample() {}, onExit() {},
      onFault: (refusal) => { throw new Error(`${refusal.code}: ${refusal.reason}`); },
      onDied: (reason) => { throw new Error(reason); },
    });
  }

  /** Lines that the program wrote since the last call; waits until one matches. */
  async linesUntil(pattern: RegExp): Promise<string[]> {
    const deadlineMs = performance.now() + TIMEOUT_MS;
    while (!this.lines.some((line) => pattern.test(line))) {
      if (performance.now() > deadlineMs) throw new Error(`no line ${String(pattern)} within ${TIMEOUT_MS} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.watchers.push(() => { clearTimeout(timer); resolve(); });
      });
    }
    return this.lines.splice(0);
  }

  /** @param port of the door, or of one in front of it */
  async move(port = this.door.port): Promise<LiveMove> {
    const target = await MovingThread.fresh(this.program);
    const migration = 'm-bench' as MigrationId;
    const key = randomBytes(32);
    const arrived = new Promise<Socket>((resolve) => this.door.expect(migration, key, resolve));
    const ready = new Promise<CopyProgress>((resolve) => {
      this.onCopy = (progress) => { if (progress.state !== 'copying') resolve(progress); };
    });
    const link = await knock({ host: '127.0.0.1', port }, migration, key, 5_000);
    const startedMs = performance.now();
    const restored = target.request('receive', { maxBytes: 64 * 1024 * 1024, timeoutMs: TIMEOUT_MS }, { timeoutMs: TIMEOUT_MS, socket: await arrived });
    granted(await this.runner.request('copy-begin', { freezeBudgetMs: 2_000, timeoutMs: TIMEOUT_MS }, { timeoutMs: TIMEOUT_MS, socket: link }));
    const progress = await ready;
    if (progress.refusal) throw new Error(`${progress.refusal.reason}; the target: ${JSON.stringify(await restored)}`);
    this.listen(target);
    const orderedMs = performance.now();
    granted(await this.runner.request('freeze', {}, { timeoutMs: TIMEOUT_MS }));
    const mark = granted(await this.runner.request('copy-final', { pendingOutputs: [] }, { timeoutMs: TIMEOUT_MS }));
    const theirs = granted(await restored);
    if (theirs.digest !== mark.digest) throw new Error('the digests differ');
    // The first gap that comes from now on is that of the freeze.
    this.lines = [];
    granted(await target.request('resume', {}, { timeoutMs: TIMEOUT_MS }));
    const endedMs = performance.now();
    this.runner.end();
    this.runner = target;
    return { totalMs: endedMs - startedMs, orderedFreezeMs: endedMs - orderedMs, wireBytes: mark.bytes, rounds: mark.rounds, frozenBytes: mark.frozenBytes };
  }

  get doorPort(): number {
    return this.door.port;
  }

  close(): void {
    this.runner.end();
    this.door.close();
  }
}

async function threadOf(module: Uint8Array, row: { readonly mib: number; readonly spareMib: number }, wordsPerMs: number): Promise<MovingThread> {
  const limits = { memoryBytes: (row.mib + row.spareMib) * MIB, stackBytes: MIB, tableEntries: 1_000, safepointMs: 5_000 };
  const program: ThreadProgram = {
    thread: 'thread-1' as ThreadId, runtime: 'wasm', bytes: module, sha256: createHash('sha256').update(module).digest('hex') as Sha256, migratable: granted(await ensureMigratable(module, limits)),
    args: ['moving', String(row.mib * MIB), String(wordsPerMs)], env: {}, seed: 7, limits,
  };
  const thread = await MovingThread.start(program);
  await thread.linesUntil(/^ready/);
  return thread;
}

interface Ours { readonly freezesMs: readonly number[]; readonly moves: readonly LiveMove[] }
async function ours(module: Uint8Array, row: Row): Promise<Ours> {
  const thread = await threadOf(module, row, WORDS_PER_MS);
  try {
    const [freezesMs, moves]: [number[], LiveMove[]] = [[], []];
    for (let i = 0; i < row.moves; i++) {
      moves.push(await thread.move());
      freezesMs.push(Math.max(...gapsOf(await thread.linesUntil(/^gap/))));
    }
    return { freezesMs, moves };
  } finally {
    thread.close();
  }
}

/** A thread that writes much, over a link that is slow; and what the link gives to a thread that writes nothing. */
async function overSlowLink(module: Uint8Array, wordsPerMs: number): Promise<LiveMove[]> {
  const thread = await threadOf(module, { mib: BUSY.mib, spareMib: 64 }, wordsPerMs);
  const shaped = await shapedDoor(thread.doorPort, BUSY.linkBytesPerSecond);
  try {
    const moves: LiveMove[] = [];
    for (let i = 0; i < BUSY.moves; i++) moves.push(await thread.move(shaped.port));
    return moves;
  } finally {
    shaped.close();
    thread.close();
  }
}

/** Lines of a process whose output is a named pipe, from now until one matches. */
function pipeLine(peer: CriuPeer, pattern: RegExp): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const stream = createReadStream(join(peer.pipes, 'out'), { encoding: 'utf8' });
    let text = '';
    const timer = setTimeout(() => { stream.destroy(); reject(new Error(`no line ${String(pattern)} from the native program`)); }, 60_000);
    stream.on('error', reject).on('data', (chunk) => {
      text += String(chunk);
      const lines = text.split('\n');
      if (!lines.some((line) => pattern.test(line))) return;
      clearTimeout(timer);
      stream.destroy();
      resolve(lines);
    });
  });
}

async function criuFreezes(bytes: number, native: string): Promise<{ readonly freezesMs: number[]; readonly why: string }> {
  const found = await resolveCriu({ toolsDir: fileURLToPath(new URL('../../../.godwit/tools', import.meta.url)) }).catch((error: unknown) => {
    if (error instanceof OperationError) return error.message;
    throw error;
  });
  if (typeof found === 'string') return { freezesMs: [], why: found.split('\n')[0]! };
  const root = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  chmodSync(root, 0o711);
  try {
    await using peer = await criuFor({ criu: found, root }, { path: native, args: [String(bytes), String(WORDS_PER_MS)] });
    await pipeLine(peer, /^ready/);
    const freezesMs: number[] = [];
    for (let i = 0; i < CRIU_MOVES; i++) {
      await peer.move();
      freezesMs.push(Math.max(...gapsOf(await pipeLine(peer, /^gap/))));
    }
    return { freezesMs, why: '' };
  } catch (error) {
    return { freezesMs: [], why: (error as Error).message.split('\n')[0]! };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'godwit-moving-'));
chmodSync(folder, 0o755);
const native = join(folder, 'moving');
const source = fileURLToPath(new URL('../../../libs/testing/programs/moving.c', import.meta.url));
const compiledNatively = spawnSync('cc', ['-O2', '-o', native, source], { stdio: 'inherit' }).status === 0;
const wasm = join(folder, 'moving.wasm');
if (spawnSync(process.execPath, [fileURLToPath(new URL('../../../libs/adapters/wasm/scripts/compile-c.mjs', import.meta.url)), wasm, source], { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0) throw new Error('moving.c does not compile');
const module = readFileSync(wasm);
const share = (ratio: number): string => `× 1/${ratio.toFixed(1)}`;
/** Working sets in MiB, where not all rows are wanted. */
const only = process.argv.slice(2).map(Number);
const criuBySize = new Map<number, Awaited<ReturnType<typeof criuFreezes>>>();

async function measure(row: Row): Promise<void> {
  const bytes = row.mib * MIB;
  const head = `${`${row.mib} MiB`.padStart(8)} ${row.how.padEnd(9)}`;
  if (freemem() < bytes * MEMORY_RATIO) return say(`${head} left out: ${(freemem() / 1e9).toFixed(1)} GB of memory are free, and it needs ${((bytes * MEMORY_RATIO) / 1e9).toFixed(1)}`);
  const bare = await bareSocket(Math.max(bytes, 256 * MIB));
  const criu = criuBySize.get(row.mib) ?? (compiledNatively ? await criuFreezes(bytes, native) : { freezesMs: [], why: 'no C compiler here' });
  criuBySize.set(row.mib, criu);
  const { freezesMs, moves } = await ours(module, row);
  const [mine, theirs, largest] = [median(freezesMs), median(criu.freezesMs), Math.max(...freezesMs)];
  const totalMs = median(moves.map((m) => m.totalMs));
  const totalRatio = totalMs / ((bytes * 1_000) / bare);
  const bytesRatio = median(moves.map((m) => m.wireBytes)) / bytes;
  say(`${head} freeze ${mine.toFixed(2)} ms (${median(moves.map((m) => m.frozenBytes))} bytes in it), CRIU ${Number.isNaN(theirs) ? `- (${criu.why})` : `${theirs.toFixed(1)} ms`}: ${share(theirs / mine)}, goal ${share(1 / row.freezeGoal)}: ${verdict(mine / theirs, row.freezeGoal)}; seen from outside ${median(moves.map((m) => m.orderedFreezeMs)).toFixed(2)} ms`);
  if (row.moves >= TAIL_MOVES) say(`${' '.repeat(18)} largest of ${freezesMs.length} freezes ${largest.toFixed(2)} ms: × ${(largest / mine).toFixed(2)} of the median, goal × ${TAIL_GOAL} for the 99th percentile: ${verdict(largest / mine, TAIL_GOAL)}`);
  say(`${' '.repeat(18)} total ${totalMs.toFixed(0)} ms, bare socket ${(bare / 1e9).toFixed(2)} GB/s: × ${totalRatio.toFixed(2)}, goal × ${TOTAL_GOAL}: ${verdict(totalRatio, TOTAL_GOAL)}; bytes × ${bytesRatio.toFixed(2)}, goal × ${BYTES_GOAL}: ${verdict(bytesRatio, BYTES_GOAL)}; rounds ${median(moves.map((m) => m.rounds))}`);
  if (row.mib !== 256) return;
  const rate = median(moves.map((m) => (m.wireBytes * 1_000) / m.totalMs));
  say(`${' '.repeat(18)} moving state ${(rate / 1e9).toFixed(2)} GB/s: × ${(rate / bare).toFixed(2)} of the bare socket, goal × ${STATE_GOAL}: ${reached(rate / bare, STATE_GOAL)}; with TLS: not measured, the stream has none`);
}

try {
  for (const row of ROWS.filter(({ mib }) => only.length === 0 || only.includes(mib))) {
    try {
      await measure(row);
    } catch (error) {
      say(`${`${row.mib} MiB`.padStart(8)} ${row.how.padEnd(9)} not measured: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  const idle = await overSlowLink(module, 0);
  const linkRatio = median(idle.map((m) => (m.wireBytes * 1_000) / m.totalMs)) / BUSY.linkBytesPerSecond;
  say(`${`${BUSY.mib} MiB`.padStart(8)} over 1 Gbit/s, idle: × ${linkRatio.toFixed(2)} of the link, goal × ${BUSY.linkGoal}: ${reached(linkRatio, BUSY.linkGoal)}`);
  const busy = await overSlowLink(module, BUSY.wordsPerMs);
  const busyRatio = median(busy.map((m) => m.wireBytes)) / (BUSY.mib * MIB);
  say(`${`${BUSY.mib} MiB`.padStart(8)} over 1 Gbit/s, writing 100 MB/s of blocks: bytes × ${busyRatio.toFixed(2)}, goal × ${BUSY.bytesGoal}: ${verdict(busyRatio, BUSY.bytesGoal)}; total ${median(busy.map((m) => m.totalMs)).toFixed(0)} ms in ${median(busy.map((m) => m.rounds))} rounds`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
