/** On this machine's real control groups: a busy child is held to a fifth of a core. Skipped, with the reason, where none is writable. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { openEnforcer, type CapacityEnforcer } from './index.js';

const CORES = 0.2;
const MEASURE_MS = 1_000;
const DEADLINE_MS = 10_000;
const BUSY = 'for (;;) { Math.sqrt(2); }';

const probe = openEnforcer({ name: 'int-probe', cores: 1 });
const lacking = isRefusal(probe) ? probe.reason : undefined;
if (!isRefusal(probe)) probe.close();
if (lacking !== undefined) console.warn(`SKIPPED enforcer.int.spec: ${lacking}`);

/** CPU nanoseconds of all threads of a process. */
function cpuNs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 1e7;
}

/** Waits for a condition by looking every 20 ms. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

async function coresOf(pid: number): Promise<number> {
  const startMs = performance.now();
  const startNs = cpuNs(pid);
  await until(() => performance.now() - startMs >= MEASURE_MS, 'the measuring time');
  return (cpuNs(pid) - startNs) / 1e6 / (performance.now() - startMs);
}

(lacking === undefined ? describe : describe.skip)('a real control group', () => {
  let child: ChildProcess;
  let pid: number;
  let enforcer: CapacityEnforcer;

  beforeAll(async () => {
    child = spawn(process.execPath, ['-e', BUSY], { stdio: 'ignore' });
    if (child.pid === undefined) throw new Error('the busy child did not start');
    pid = child.pid;
    await until(() => cpuNs(pid) > 1e8, 'the child is busy');
  });
  afterAll(() => {
    child.kill('SIGKILL');
  });
  afterEach(() => enforcer.close());

  const open = (cores: number): CapacityEnforcer => {
    const opened = openEnforcer({ name: 'int', cores });
    if (isRefusal(opened)) throw new Error(opened.reason);
    enforcer = opened;
    return opened;
  };

  // A shared machine can give the child less than its quota at any time, so the lower bounds are waited for, and that a
  // released process is free shows in the group's own count.
  it('holds a busy child to 0.2 core, counts the throttling, and lets it go', async () => {
    open(CORES);
    enforcer.admit(pid);
    const heldCores = await coresOf(pid);
    await until(() => (enforcer.readThrottled()?.throttledPeriods ?? 0) >= 10, 'ten throttled periods');
    const throttled = enforcer.readThrottled();
    enforcer.release(pid);
    const released = enforcer.readThrottled();
    const freeCores = await coresOf(pid);
    console.info(`held ${heldCores.toFixed(3)} cores, free ${freeCores.toFixed(3)} cores, ${JSON.stringify(throttled)}`);
    expect(heldCores).toBeGreaterThan(0);
    expect(heldCores).toBeLessThan(CORES * 1.25);
    expect(throttled?.throttledSeconds).toBeGreaterThan(0.01);
    expect((enforcer.readThrottled()?.throttledPeriods ?? 0) - (released?.throttledPeriods ?? 0)).toBeLessThanOrEqual(5);
  });

  it('applies a new capacity at once, without the process being moved', async () => {
    open(0.05);
    enforcer.admit(pid);
    const beforeCores = await coresOf(pid);
    expect(beforeCores).toBeLessThan(0.08);
    expect(enforcer.setCores(0.3)).toBeUndefined();
    const startMs = performance.now();
    const startNs = cpuNs(pid);
    const cores = (): number => (cpuNs(pid) - startNs) / 1e6 / (performance.now() - startMs);
    await until(() => performance.now() - startMs >= MEASURE_MS && cores() > 0.1, 'more than a tenth of a core with 0.3 granted');
    expect(cores()).toBeLessThan(0.38);
  });

  it('removes its groups with the process still in, which then runs free', () => {
    open(CORES);
    const { folder } = enforcer;
    enforcer.admit(pid);
    for (const knob of enforcer.knobs()) if (!knob.available) console.info(`this host lacks ${knob.reason}`);
    const lacksMemory = enforcer.knobs().find((knob) => knob.name === 'memory.max')?.reason;
    const memory = enforcer.setMemoryBytes(512 * 1024 * 1024);
    expect(memory?.reason).toBe(lacksMemory);
    enforcer.close();
    expect(folder !== undefined && existsSync(folder)).toBe(false);
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).not.toContain('godwit-int');
  });
});
