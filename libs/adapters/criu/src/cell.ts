/**
 * The cell of one thread: private PID, mount, IPC and network namespaces, in which the program's processes live and in
 * which CRIU is started. This is all that the runtime does with privileges; the program itself has none.
 *
 * Earlier designs, and why they lost (tried on kernel 6.18 with CRIU 4.1.1):
 *  - A plain child, CRIU with `--shell-job`: its PIDs are taken on the target when that is the same machine.
 *  - The program as PID 1 of a PID namespace that CRIU dumps and makes again: needs a mount namespace with its own
 *    /proc, and then CRIU dumps and rebuilds all mounts of the host.
 *  - So: CRIU *inside* the cell shares every namespace with the program, and dumps none. A new cell has its low PIDs
 *    free: the program's begin after `SERVICE_PIDS`, which are left to CRIU and other helpers.
 *  - `criu dump` runs with the program's *real* user id (and root's effective one): reading the limits of a process with
 *    another user id needs CAP_SYS_RESOURCE, which containers rarely have. Its probing of the kernel fails under such an
 *    identity, so `criu check` fills its cache first, in a small tmpfs over /run, which also hides the host's sockets.
 *
 * Invariants: C1. No request names a process: a cell acts on its own tree only, found through /proc from its first
 * process. C2. No text of others becomes part of a script: scripts are constants, everything else is an argument.
 * C3. Whoever starts the cell takes it along when it ends, by SIGKILL too (`--pdeathsig`, `--kill-child`).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationError } from '@godwit/kernel';
import { helperEnvironment, lastLine, runCommand, type CommandEnd, type CriuCommand } from './command.js';
import { PIPE_NAMES, pipePath } from './pipes.js';
import { childrenOf, commandLineOf, descendantsOf, innerPid, statOf, type TaskStat } from './proc-tree.js';

/** Process ids below this are for CRIU and other helpers; the kernel gives them again only after a wrap at 300. */
const SERVICE_PIDS = 300;
const CELL_MS = 20_000;
const CHECK_MS = 20_000;
const LAUNCH_MS = 20_000;
export const DUMP_MS = 60_000;
const STOP_MS = 10_000;

/** $1 folder of the pipes, $2 where the cell sees it. The first process only waits; orphans become its children. */
const FIRST = 'mount --bind "$1" "$2" && ip link set lo up && mount -t tmpfs -o size=1m,mode=755,nosuid,nodev tmpfs /run && echo ready && sleep infinity; :';
/**
 * $1 where the pipes are, $2 user id, then the program. Opened as root, used without privileges. The inner shell stays
 * as the root of the tree, so that the exit code is heard before and after a restore in one way.
 */
const LAUNCH = `echo ${SERVICE_PIDS} > /proc/sys/kernel/ns_last_pid && cd "$1" && exec < in > out 2> err 3> status; user=$2; shift 2;`
  + ' exec prlimit --core=0 --nproc=256 -- setsid --fork setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all --'
  + ' env -i -- "$@"';
const INNER = '"$@" 3>&-; echo $? >&3';
/** $1 the highest id in use: the program's next children come after it, as they would have. */
const SET_LAST_PID = 'echo "$1" > /proc/sys/kernel/ns_last_pid';

export const CPU_IMAGE = 'cpuinfo.img';

export interface CellOptions {
  readonly criu: CriuCommand;
  /** Folder of this cell on the host. */
  readonly folder: string;
  /** Where every cell sees its pipes: the same path on every machine. */
  readonly inside: string;
  /** User and group id of the program. */
  readonly userId: number;
}

export class Cell {
  /** This CPU's features, as CRIU writes them: asked for before a freeze, since they do not change. */
  cpuImage: Uint8Array = new Uint8Array(0);

  private constructor(private readonly options: CellOptions, private readonly keeper: ChildProcess, private readonly firstPid: number) {}

  static async open(options: CellOptions): Promise<Cell> {
    const { folder, inside } = options;
    rmSync(folder, { recursive: true, force: true });
    // Closed: the program of another cell, which sees the same file system, must not find these pipes. Its own it sees `inside`.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    mkdirSync(join(folder, 'pipes'), { mode: 0o755 });
    mkdirSync(join(folder, 'images'), { mode: 0o700 });
    mkdirSync(inside, { recursive: true, mode: 0o755 });
    const made = await runCommand(['mkfifo', '-m', '666', ...PIPE_NAMES.map((name) => pipePath(join(folder, 'pipes'), name))], { timeoutMs: LAUNCH_MS });
    if (made.code !== 0) throw failed('the pipes', made);
    const keeper = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--pid', '--mount', '--ipc', '--net', '--fork', '--kill-child=KILL', '--mount-proc',
      '--propagation', 'private', 'sh', '-c', FIRST, 'sh', join(folder, 'pipes'), inside], { stdio: ['ignore', 'pipe', 'pipe'], env: helperEnvironment() });
    await untilReady(keeper);
    const [firstPid] = childrenOf(keeper.pid!);
    if (firstPid === undefined) throw new OperationError('internal', 'the cell has no first process', { effect: 'none' });
    const cell = new Cell(options, keeper, firstPid);
    const checked = await cell.criu(['check'], CHECK_MS);
    const told = checked.code === 0 ? await cell.criu(['cpuinfo', 'dump', '-D', cell.images], CHECK_MS) : checked;
    if (told.code === 0) {
      cell.cpuImage = new Uint8Array(readFileSync(join(cell.images, CPU_IMAGE)));
      return cell;
    }
    await cell.close();
    throw new OperationError('unsupported', `criu ${told === checked ? 'check' : 'cpuinfo'}: ${lastLine(told.stderr) || lastLine(told.stdout)}`, { effect: 'none' });
  }

  get images(): string {
    return join(this.options.folder, 'images');
  }
  get pipes(): string {
    return join(this.options.folder, 'pipes');
  }

  private enter(command: readonly string[]): string[] {
    return ['nsenter', '-t', String(this.firstPid), '-p', '-m', '-i', '-n', '--', ...command];
  }
  private criu(args: readonly string[], timeoutMs: number, identity: readonly string[] = []): Promise<CommandEnd> {
    const { command, env } = this.options.criu;
    return runCommand(this.enter([...identity, ...command, ...args]), { timeoutMs, env });
  }

  /** @param environment names as in `[A-Za-z_][A-Za-z0-9_]*`. */
  async launch(program: { readonly path: string; readonly args: readonly string[]; readonly environment: Readonly<Record<string, string>> }): Promise<void> {
    const { inside, userId } = this.options;
    const environment = Object.entries(program.environment).map(([name, value]) => `${name}=${value}`);
    const started = await runCommand(this.enter(['sh', '-c', LAUNCH, 'sh', inside, String(userId), ...environment, '/bin/sh', '-c', INNER, 'sh', program.path, ...program.args]), { timeoutMs: LAUNCH_MS });
    if (started.code !== 0) throw failed('the program’s start', started);
    await this.untilUnprivileged();
  }

  /** `setsid` has returned, but what it started becomes the inner shell, without privileges, a moment later. */
  private async untilUnprivileged(): Promise<void> {
    const giveUpAtMs = performance.now() + LAUNCH_MS;
    for (;;) {
      const root = this.rootPid;
      if (root === undefined || commandLineOf(root).startsWith(`/bin/sh -c ${INNER}`)) return; // or it has ended already
      if (performance.now() > giveUpAtMs) throw new OperationError('timeout', `the program did not begin within ${LAUNCH_MS} ms`, { effect: 'unknown' });
      await delay(1);
    }
  }

  /** The shell at the root of the program's tree; undefined before the launch and after the end. */
  get rootPid(): number | undefined {
    return childrenOf(this.firstPid).find((pid) => (innerPid(pid) ?? 0) > SERVICE_PIDS && !isDead(statOf(pid)));
  }

  /** The program's processes, its root shell first. */
  tree(): TaskStat[] {
    const root = this.rootPid;
    return root === undefined ? [] : [root, ...descendantsOf(root)].map(statOf).filter((stat) => stat !== undefined && !isDead(stat)) as TaskStat[];
  }

  /** Living processes of the program that left its tree: their parent ended before them. CRIU would not take them. */
  strays(): { readonly pid: number; readonly command: string }[] {
    const tree = new Set(this.tree().map((task) => task.pid));
    return descendantsOf(this.firstPid)
      .filter((pid) => !tree.has(pid) && (innerPid(pid) ?? 0) > SERVICE_PIDS && !isDead(statOf(pid)))
      .map((pid) => ({ pid, command: commandLineOf(pid) }));
  }

  /**
   * Stops every instruction of the program; a second complete look must find nothing that still moves. A parent stands in
   * vfork(2), uninterruptible, until its child has begun another program: then the child must go on first.
   */
  async stop(): Promise<void> {
    const giveUpAtMs = performance.now() + STOP_MS;
    for (let still = 0; still < 2;) {
      const all = this.everything();
      const stuck = new Set(all.filter((task) => task.state === 'D').map((task) => task.pid));
      const moving = all.filter((task) => !STOPPED.includes(task.state));
      for (const { pid, parentPid, state } of all) {
        const mayBeVforked = stuck.has(parentPid);
        if (mayBeVforked && STOPPED.includes(state)) signal(pid, 'SIGCONT');
        else if (!mayBeVforked && !STOPPED.includes(state)) signal(pid, 'SIGSTOP');
      }
      still = moving.length === 0 ? still + 1 : 0;
      if (performance.now() > giveUpAtMs) throw new OperationError('timeout', `the process ${moving[0]?.pid ?? '?'} did not stop within ${STOP_MS} ms (state ${moving[0]?.state ?? '?'})`, { effect: 'none' });
      if (moving.length > 0) await delay(stuck.size > 0 ? 1 : 0);
    }
  }

  continue(): void {
    // Children before parents, so that no parent finds a child that it waits for stopped.
    for (const { pid } of this.everything().reverse()) signal(pid, 'SIGCONT');
  }

  private everything(): TaskStat[] {
    const strays = this.strays().map(({ pid }) => statOf(pid)).filter((stat) => stat !== undefined);
    return [...this.tree(), ...strays];
  }

  /** Writes the images of the stopped tree into `images`; the tree stays stopped. */
  async dump(): Promise<void> {
    const root = this.rootPid;
    const inner = root === undefined ? undefined : innerPid(root);
    if (inner === undefined) throw new OperationError('conflict', 'the program has ended', { effect: 'none' });
    this.clearImages();
    const user = String(this.options.userId);
    const done = await this.criu(['dump', '-t', String(inner), '-D', this.images, '--leave-stopped', '--manage-cgroups=ignore', '-v2', '-o', 'criu.log'], DUMP_MS,
      ['setpriv', '--ruid', user, '--rgid', user, '--keep-groups']);
    if (done.code !== 0) throw this.criuFailed('dump', done);
    this.clearLogs();
  }

  /** Rebuilds the tree from `images`, every process of it stopped. A failure leaves the cell to be closed. */
  async restore(): Promise<void> {
    const done = await this.criu(['restore', '-d', '--leave-stopped', '-D', this.images, '--manage-cgroups=ignore', '-v2', '-o', 'criu.log'], DUMP_MS);
    if (done.code !== 0) throw this.criuFailed('restore', done);
    await this.stop();
    const highest = Math.max(SERVICE_PIDS, ...this.tree().map(({ pid }) => innerPid(pid) ?? 0));
    const set = await runCommand(this.enter(['sh', '-c', SET_LAST_PID, 'sh', String(highest)]), { timeoutMs: LAUNCH_MS });
    if (set.code !== 0) throw failed('the next process id', set);
  }

  /** Compares the CPU's features that lie in `images` as `theirs` with this CPU's; the same ones need no CRIU to say so. */
  checkCpu(theirs: Uint8Array | undefined): Promise<CommandEnd> {
    if (theirs && Buffer.compare(theirs, this.cpuImage) === 0) return Promise.resolve({ code: 0, stdout: '', stderr: '' });
    return this.criu(['cpuinfo', 'check', '-D', this.images], CHECK_MS);
  }

  clearImages(): void {
    rmSync(this.images, { recursive: true, force: true });
    mkdirSync(this.images, { mode: 0o700 });
  }
  private clearLogs(): void {
    for (const name of ['criu.log', 'stats-dump', 'stats-restore']) rmSync(join(this.images, name), { force: true });
  }

  private criuFailed(what: 'dump' | 'restore', end: CommandEnd): OperationError {
    const log = readLog(join(this.images, 'criu.log'));
    const errors = log.split('\n').filter((line) => line.includes('Error') && !line.includes('RLIMIT_NOFILE')).map((line) => line.replace(/^.*?Error /, ''));
    return new OperationError(what === 'dump' ? 'not-migratable' : 'no-capability', `criu ${what} failed: ${errors.slice(0, 2).join('; ') || lastLine(end.stderr) || `code ${end.code}`}`, { effect: 'none' });
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => (this.keeper.exitCode !== null || this.keeper.signalCode !== null ? resolve() : this.keeper.once('exit', () => resolve())));
    // The first process takes the whole PID namespace along; the keeper waits for it.
    signal(this.firstPid, 'SIGKILL');
    await ended;
    rmSync(this.options.folder, { recursive: true, force: true });
  }
}

/** States of proc(5) in which a task executes nothing until it is told to. */
const STOPPED = ['T', 't'];
const isDead = (stat: TaskStat | undefined): boolean => stat === undefined || stat.state === 'Z' || stat.state === 'X';

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it ended meanwhile
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''; // it ended before it could write one
    throw error;
  }
}

const failed = (what: string, end: CommandEnd): OperationError =>
  new OperationError('unsupported', `the cell: ${what} failed: ${lastLine(end.stderr) || `code ${end.code}`}`, { effect: 'none' });

function untilReady(keeper: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    const fail = (reason: string): void => reject(new OperationError('unsupported', `no cell: ${lastLine(complaint) || reason}`, { effect: 'none' }));
    const timer = setTimeout(() => {
      keeper.kill('SIGKILL');
      fail(`it was not ready within ${CELL_MS} ms`);
    }, CELL_MS);
    const settle = (): void => clearTimeout(timer);
    keeper.stderr!.setEncoding('utf8').on('data', (text: string) => { complaint = (complaint + text).slice(-1_000); });
    keeper.stdout!.once('data', () => { settle(); resolve(); });
    keeper.once('error', (error) => { settle(); fail(error.message); });
    keeper.once('close', (code) => { settle(); fail(`it ended with code ${code}`); });
  });
}
