/** A made-up or copied /proc and /sys in a temp folder. Files are rewritten in place, so that open descriptors see the new text. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RECORDED = fileURLToPath(new URL('../fixtures/recorded', import.meta.url));

export class Tree implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'godwit-proc-'));
  readonly procRoot = join(this.root, 'proc');
  readonly sysRoot = join(this.root, 'sys');
  private newestId = 100;

  constructor() {
    mkdirSync(this.procRoot);
    mkdirSync(this.sysRoot);
  }

  /** A copy of the tree recorded from a real machine. */
  static recorded(): Tree {
    const tree = new Tree();
    cpSync(RECORDED, tree.root, { recursive: true });
    return tree;
  }

  /** Pids of the recorded process tree, parent first. */
  get pids(): number[] {
    return readdirSync(this.procRoot).filter((name) => /^\d+$/.test(name)).map(Number).sort((left, right) => left - right);
  }

  put(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true });
  }

  /** Sets what a process shows. Ticks are of 10 ms; `tasksNs` are its threads' clocks, the first thread's id is the pid. */
  process(pid: number, { parent = 1, user = 0, system = 0, reaped = 0, tasksNs }: {
    readonly parent?: number; readonly user?: number; readonly system?: number; readonly reaped?: number; readonly tasksNs?: readonly number[];
  } = {}): void {
    const threads = tasksNs?.length ?? 1;
    this.put(`proc/${pid}/stat`, `${pid} (odd) (name 7) S ${parent} 1 1 0 -1 4194560 1 2 3 4 ${user} ${system} ${reaped} 0 20 0 ${threads} 0 99 1 1\n`);
    tasksNs?.forEach((ns, index) => this.put(`proc/${pid}/task/${pid + index}/schedstat`, `${ns} 0 1\n`));
  }

  end(pid: number): void {
    this.remove(`proc/${pid}`);
  }

  /** Says that a process was created since: only then does the process tree look for new ones. */
  announce(): void {
    this.newestId += 1;
    this.put('proc/loadavg', `0.00 0.00 0.00 1/2 ${this.newestId}\n`);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
