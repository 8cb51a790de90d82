/** Real processes on this machine: what the collectors say against what the programs say of themselves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { openDeviceCollectors, OsThreads, type DeviceCollectors } from './index.js';
import { ProcessCpu } from './process-cpu.js';

const DEADLINE_MS = 15_000;

/** Burns the number of CPU milliseconds that each line asks for, and answers with all it has used so far, microseconds. */
const BURNER = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const used = () => { const { user, system } = process.cpuUsage(); return user + system; };
  const end = used() + Number(line) * 1000;
  while (used() < end);
  console.log(used());
});`;

/** Starts children that burn 200 ms each and reaps them, one after another, then reports. */
const PARENT = `const { spawnSync } = require('node:child_process');
for (let round = 0; round < 3; round += 1) spawnSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 2e5);']);
console.log('done');`;

const WORKER = `const { Worker } = require('node:worker_threads');
new Worker("const fs = require('node:fs'); console.log(fs.readlinkSync('/proc/thread-self').split('/')[2]); for (;;);", { eval: true });`;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(program: string): { child: ChildProcess; pid: number; nextLine: () => Promise<string>; send: (line: string) => void } {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  if (child.pid === undefined || child.stdout === null) throw new Error('the child did not start');
  const lines = createInterface({ input: child.stdout });
  return {
    child, pid: child.pid,
    nextLine: async () => (await once(lines, 'line', { signal: AbortSignal.timeout(DEADLINE_MS) }) as [string])[0],
    send: (line) => child.stdin?.write(`${line}\n`),
  };
}

function watch(pids: number[]): { device: DeviceCollectors; seconds: () => number; reading: () => Record<string, number> } {
  const device = openDeviceCollectors({ scope: 'processes', pids });
  if (isRefusal(device)) throw new Error(device.reason);
  const cpu = device.collectors.find((collector) => collector instanceof ProcessCpu);
  if (cpu === undefined) throw new Error('no CPU collector');
  const reading = (): Record<string, number> => {
    const into: Record<string, number> = {};
    device.collect(performance.now(), into);
    return into;
  };
  return { device, reading, seconds: () => { reading(); return cpu.cpuSeconds; } };
}

describe('a scope of real processes', () => {
  it('agrees with what a process says of its own CPU time, below a tick', async () => {
    const burner = start(BURNER);
    const ask = async (milliseconds: number): Promise<number> => {
      burner.send(String(milliseconds));
      return Number(await burner.nextLine()) / 1e6;
    };
    const ownBefore = await ask(0);
    const { device, seconds } = watch([burner.pid]);
    const before = seconds();
    const own = await ask(105) - ownBefore;
    const measured = seconds() - before;
    expect(own).toBeGreaterThan(0.1);
    expect(Math.abs(measured - own)).toBeLessThan(0.01);
    device.close();
  });

  it('keeps counting over the death of children and of the root itself, and never falls', async () => {
    const parent = start(PARENT);
    const { device, seconds } = watch([parent.pid]);
    const exited = once(parent.child, 'exit');
    let ended = false;
    void exited.then(() => { ended = true; });
    let newest = 0;
    const deadlineMs = performance.now() + DEADLINE_MS;
    while (!ended) {
      if (performance.now() > deadlineMs) throw new Error('the parent did not end in time');
      const now = seconds();
      expect(now).toBeGreaterThanOrEqual(newest);
      newest = now;
      await new Promise((resolve) => { setTimeout(resolve, 15); });
    }
    expect(seconds()).toBeGreaterThanOrEqual(newest);
    // Three children of 200 ms and more each; only what ran after the last reading can be missing.
    expect(newest).toBeGreaterThan(0.55);
    expect(newest).toBeLessThan(6);
    device.close();
  });

  it('reads memory of the scope that is less than the sum of resident sizes', async () => {
    const pair = [start(BURNER), start(BURNER)];
    for (const { send, nextLine } of pair) {
      send('0');
      await nextLine();
    }
    const { device, reading } = watch(pair.map(({ pid }) => pid));
    const bytes = reading()['memory.bytes'] ?? 0;
    expect(bytes).toBeGreaterThan(10e6);
    expect(bytes).toBeLessThan(2 * 60e6);
    device.close();
  });

  it('tells a worker’s OS thread from the main thread', async () => {
    const program = start(WORKER);
    const workerTid = Number(await program.nextLine());
    const threads = new OsThreads(program.pid);
    threads.collect(performance.now(), {});
    const deadlineMs = performance.now() + DEADLINE_MS;
    const busiest = (): number | undefined => threads.threads().sort((left, right) => (right.cores ?? 0) - (left.cores ?? 0))[0]?.tid;
    let into: Record<string, number> = {};
    do {
      if (performance.now() > deadlineMs) throw new Error('the worker did not run in time');
      await new Promise((resolve) => { setTimeout(resolve, 50); });
      into = {};
      threads.collect(performance.now(), into);
    } while ((into[`os_thread.${workerTid}.cpu.cores`] ?? 0) <= 0.05);
    expect(busiest()).toBe(workerTid);
    expect(threads.threads().filter(({ isMain }) => isMain).map(({ tid }) => tid)).toEqual([program.pid]);
    threads.close();
  });

  it('says that the process has ended', async () => {
    const burner = start(BURNER);
    const threads = new OsThreads(burner.pid);
    threads.collect(performance.now(), {});
    expect(threads.absences()).toEqual([]);
    const exited = once(burner.child, 'exit');
    burner.child.kill('SIGKILL');
    await exited;
    threads.collect(performance.now(), {});
    expect(threads.absences()[0]?.reason).toContain('has ended');
    expect(threads.threads()).toEqual([]);
    threads.close();
  });
});
