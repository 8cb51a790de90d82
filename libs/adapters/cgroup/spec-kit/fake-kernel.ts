/**
 * A small model of cgroupfs in a temp folder: files appear with a folder, a process is in one group per hierarchy, and
 * the kernel's refusals are given (ESRCH, EBUSY, EINVAL, ENOENT, EACCES). What it leaves out: scheduling.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ControlFiles } from '../src/index.js';

const V1_FILES: Record<string, Record<string, string>> = {
  cpu: { 'cpu.cfs_quota_us': '-1\n', 'cpu.cfs_period_us': '100000\n', 'cpu.shares': '1024\n', 'cpu.stat': 'nr_periods 0\nnr_throttled 0\nthrottled_time 0\n' },
  cpuset: { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' },
  memory: { 'memory.limit_in_bytes': '9223372036854771712\n' },
  blkio: {},
};
const V2_FILES: Record<string, Record<string, string>> = {
  cpu: { 'cpu.max': 'max 100000\n', 'cpu.weight': '100\n' },
  cpuset: { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' },
  memory: { 'memory.max': 'max\n' },
  io: { 'io.weight': 'default 100\n' },
};

const THREADED = ['cpu', 'cpuset'];

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

export class FakeKernel implements ControlFiles, Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'godwit-cgroup-'));
  readonly writes: string[] = [];
  /** Processes that exist. */
  readonly alive = new Set<number>([process.pid]);
  readonly denied = new Set<string>();
  private readonly hierarchies: { folder: string; version: 1 | 2; controller: string }[] = [];
  private mountLines = '';
  private membershipLines = '';

  /** Mounts a hierarchy with our own process in `path`. */
  mountV1(controller: string, path = '/'): string {
    const folder = this.mount(`/sys/fs/cgroup/${controller}`, 1, controller, `cgroup cgroup rw,${controller}`);
    this.membershipLines += `${this.hierarchies.length}:${controller}:${path}\n`;
    return this.place(folder, path);
  }

  mountV2(path = '/', controllers = 'cpu cpuset memory io', shownRoot = '/'): string {
    const folder = this.mount('/sys/fs/cgroup', 2, controllers, 'cgroup2 cgroup2 rw', shownRoot);
    this.membershipLines += `0::${path}\n`;
    return this.place(folder, shownRoot === '/' ? path : path.slice(shownRoot.length) || '/');
  }

  /** Starts a process as a child of `parent` would: in the same groups. */
  startIn(folder: string, pid: number): void {
    this.alive.add(pid);
    this.putProcess(`${folder}/cgroup.procs`, pid);
    this.saveProc();
  }

  end(pid: number): void {
    this.alive.delete(pid);
    for (const { folder } of this.hierarchies) this.takeOut(folder, pid);
    rmSync(`${this.root}/proc/${pid}`, { recursive: true, force: true });
  }

  value(path: string): string {
    return readFileSync(path, 'utf8').trim();
  }

  read(path: string): string {
    if (path.endsWith('/cgroup.procs') && this.typeOf(dirname(path)) === 'threaded') throw systemError('EOPNOTSUPP', path);
    return readFileSync(path.replace(/cgroup\.threads$/, 'cgroup.procs'), 'utf8');
  }

  exists(path: string): boolean {
    return existsSync(path);
  }

  folders(path: string): string[] {
    return readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  }

  makeFolder(path: string): void {
    if (this.denied.has(dirname(path))) throw systemError('EACCES', path);
    if (existsSync(path)) throw systemError('EEXIST', path);
    mkdirSync(path);
    this.populate(path);
  }

  removeFolder(path: string): void {
    if (this.value(`${path}/cgroup.procs`) !== '' || this.folders(path).length > 0) throw systemError('EBUSY', path);
    rmSync(path, { recursive: true });
  }

  write(path: string, value: string): void {
    if (!existsSync(path)) throw systemError('ENOENT', path);
    if (this.denied.has(path)) throw systemError('EACCES', path);
    if (path.endsWith('/cgroup.procs')) this.putProcess(path, Number(value));
    else if (path.endsWith('/cgroup.subtree_control')) this.handOn(dirname(path), value);
    else if (path.endsWith('/cgroup.type')) this.makeThreaded(dirname(path));
    else if (path.endsWith('/cpuset.cpus') && value === '99') throw systemError('ERANGE', path);
    else writeFileSync(path, `${value}\n`);
    this.writes.push(`${path.slice(this.root.length)} = ${value}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }

  private mount(point: string, version: 1 | 2, controller: string, tail: string, shownRoot = '/'): string {
    const folder = this.root + point;
    mkdirSync(folder, { recursive: true });
    this.hierarchies.push({ folder, version, controller });
    this.mountLines += `31 23 0:28 ${shownRoot} ${point} rw,relatime - ${tail}\n`;
    this.populate(folder);
    if (controller === 'cpuset') {
      writeFileSync(`${folder}/cpuset.cpus`, '0-1\n');
      writeFileSync(`${folder}/cpuset.mems`, '0\n');
    }
    return folder;
  }

  private place(top: string, path: string): string {
    let folder = top;
    for (const part of path.split('/').filter((name) => name !== '')) {
      if (existsSync(`${folder}/cgroup.subtree_control`)) this.handOn(folder, `+${this.value(`${folder}/cgroup.controllers`).split(' ').join(' +')}`);
      folder = `${folder}/${part}`;
      this.makeFolder(folder);
    }
    this.startIn(folder, process.pid);
    return folder;
  }

  private saveProc(): void {
    mkdirSync(`${this.root}/proc/self`, { recursive: true });
    for (const pid of this.alive) mkdirSync(`${this.root}/proc/${pid}`, { recursive: true });
    writeFileSync(`${this.root}/proc/self/mountinfo`, this.mountLines);
    writeFileSync(`${this.root}/proc/self/cgroup`, this.membershipLines);
  }

  private hierarchyOf(path: string): { folder: string; version: 1 | 2; controller: string } {
    const found = this.hierarchies.filter(({ folder }) => path === folder || path.startsWith(`${folder}/`))
      .sort((left, right) => right.folder.length - left.folder.length)[0];
    if (found === undefined) throw systemError('ENOENT', path);
    return found;
  }

  private populate(path: string): void {
    const { folder, version, controller } = this.hierarchyOf(path);
    writeFileSync(`${path}/cgroup.procs`, '');
    if (version === 1) {
      for (const [name, value] of Object.entries(V1_FILES[controller] ?? {})) writeFileSync(`${path}/${name}`, value);
      return;
    }
    writeFileSync(`${path}/cgroup.subtree_control`, '');
    const isTop = path === folder;
    if (!isTop) writeFileSync(`${path}/cgroup.type`, 'domain\n');
    const controllers = isTop ? controller : this.value(`${dirname(path)}/cgroup.subtree_control`);
    writeFileSync(`${path}/cgroup.controllers`, `${controllers}\n`);
    if (!isTop) this.addFiles(path, controllers.split(' '));
  }

  private addFiles(path: string, controllers: string[]): void {
    writeFileSync(`${path}/cpu.stat`, controllers.includes('cpu') ? 'usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n' : 'usage_usec 5\n');
    for (const name of controllers) {
      for (const [file, value] of Object.entries(V2_FILES[name] ?? {})) if (!existsSync(`${path}/${file}`)) writeFileSync(`${path}/${file}`, value);
    }
  }

  private handOn(path: string, value: string): void {
    const isTop = this.hierarchyOf(path).folder === path;
    const names = value.split(' ').map((name) => name.slice(1));
    const before = this.handedOn(path);
    if (value.startsWith('-')) {
      this.saveHandedOn(path, before.filter((name) => !names.includes(name)));
      return;
    }
    const has = this.value(`${path}/cgroup.controllers`).split(' ');
    if (names.some((name) => !has.includes(name))) throw systemError('ENOENT', path);
    const staysThreaded = names.every((name) => THREADED.includes(name)) && this.canBeThreadRoot(path);
    if (!isTop && !staysThreaded && this.value(`${path}/cgroup.procs`) !== '') throw systemError('EBUSY', path);
    this.saveHandedOn(path, [...new Set([...before, ...names])]);
  }

  private handedOn(path: string): string[] {
    return this.value(`${path}/cgroup.subtree_control`).split(' ').filter((name) => name !== '');
  }

  private saveHandedOn(path: string, names: string[]): void {
    writeFileSync(`${path}/cgroup.subtree_control`, `${names.join(' ')}\n`);
    for (const child of this.folders(path)) {
      writeFileSync(`${path}/${child}/cgroup.controllers`, `${names.join(' ')}\n`);
      this.addFiles(`${path}/${child}`, names);
    }
  }

  private canBeThreadRoot(path: string): boolean {
    if (this.handedOn(path).some((name) => !THREADED.includes(name))) return false;
    return this.folders(path).every((child) => this.typeOf(`${path}/${child}`) === 'threaded' || this.value(`${path}/${child}/cgroup.procs`) === '');
  }

  /** As cgroup.type shows it, without the forms that the package does not look at. */
  private typeOf(path: string): string {
    return existsSync(`${path}/cgroup.type`) ? this.value(`${path}/cgroup.type`) : 'root';
  }

  private makeThreaded(path: string): void {
    if (!this.canBeThreadRoot(dirname(path))) throw systemError('EOPNOTSUPP', path);
    writeFileSync(`${path}/cgroup.type`, 'threaded\n');
  }

  private vetV2(group: string, top: string): void {
    if (group === top) return;
    const parent = dirname(group);
    const invalid = this.typeOf(group) === 'domain' && parent !== top && this.value(`${parent}/cgroup.procs`) !== '' && this.handedOn(parent).length > 0;
    if (invalid) throw systemError('EOPNOTSUPP', group);
    if (this.handedOn(group).length > 0 && !this.canBeThreadRoot(group)) throw systemError('EBUSY', group);
  }

  private putProcess(path: string, pid: number): void {
    if (!this.alive.has(pid)) throw systemError('ESRCH', path);
    const group = dirname(path);
    const { folder, version } = this.hierarchyOf(group);
    if (version === 2) this.vetV2(group, folder);
    if (existsSync(`${group}/cpuset.cpus`) && version === 1 && this.value(`${group}/cpuset.cpus`) === '') throw systemError('ENOSPC', path);
    this.takeOut(folder, pid);
    writeFileSync(path, `${this.value(path)}\n${pid}\n`.trimStart());
  }

  private takeOut(folder: string, pid: number): void {
    for (const name of readdirSync(folder)) {
      const path = `${folder}/${name}`;
      if (name === 'cgroup.procs') writeFileSync(path, this.value(path).split('\n').filter((line) => line !== '' && line !== String(pid)).map((line) => `${line}\n`).join(''));
      else if (statSync(path).isDirectory()) this.takeOut(path, pid);
    }
  }
}
