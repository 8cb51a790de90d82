/**
 * Can this machine run and move process threads? Answered by what the machine does, not by what it is: after the
 * cheap questions, a small script is run, dumped and restored.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { isRefusal, refuse, type Refusal, type Sha256, type Sha256Of, type ThreadId } from '@godwit/kernel';
import type { ThreadProgram } from '@godwit/runtime';
import { runCommand } from './command.js';
import { statusField } from './proc-tree.js';
import { ProcessRuntime, type ProcessRuntimeOptions } from './process-runtime.js';

/** What a device that offers process threads says of itself. */
export interface ProcessCapability {
  readonly criuVersion: string;
  readonly kernel: string;
  /** Which container engine is here, and that its containers are not offered as threads. */
  readonly containers: string;
  /** Time that the trial took: dump and restore of a script, ms. */
  readonly trialMs: number;
}

/** util-linux, iproute2, coreutils: in every distribution's base, but not in every container image. */
const PROGRAMS = ['sh', 'setpriv', 'unshare', 'nsenter', 'prlimit', 'setsid', 'mount', 'ip', 'mkfifo', 'env', 'sleep'];
/** Bits of capabilities(7). */
const CAPABILITIES: Readonly<Record<string, number>> = {
  CAP_DAC_OVERRIDE: 1, CAP_KILL: 5, CAP_SETGID: 6, CAP_SETUID: 7, CAP_SETPCAP: 8, CAP_NET_ADMIN: 12, CAP_SYS_CHROOT: 18, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21,
};
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const VERSION_MS = 5_000;

const isThere = (program: string): boolean => FOLDERS.some((folder) => {
  try {
    accessSync(join(folder, program), constants.X_OK);
    return true;
  } catch {
    return false; // not in this one
  }
});

const no = (reason: string): Refusal => refuse('unsupported', `process threads: ${reason}`, 'runtime');

/** @returns what is offered, or the reason that a person can act on. */
export async function processCapability(options: ProcessRuntimeOptions): Promise<ProcessCapability | Refusal> {
  if (process.platform !== 'linux') return no('CRIU is for Linux');
  const missing = PROGRAMS.filter((program) => !isThere(program));
  if (missing.length > 0) return no(`the programs ${missing.join(', ')} are missing; install util-linux, iproute2 and coreutils`);
  const held = BigInt(`0x${statusField(process.pid, 'CapEff') ?? '0'}`);
  const lacking = Object.entries(CAPABILITIES).filter(([, bit]) => (held >> BigInt(bit) & 1n) === 0n).map(([name]) => name);
  if (lacking.length > 0) return no(`the agent lacks ${lacking.join(', ')}; run it as root, or in a container with these`);
  const trial = await tryOut(options);
  if (isRefusal(trial)) return no(trial.reason);
  return { criuVersion: options.criu.version, kernel: release(), containers: await containers(), trialMs: trial.trialMs };
}

/** One image of a container engine is another runtime's work: said, not pretended. */
async function containers(): Promise<string> {
  for (const engine of ['runc', 'podman']) {
    if (!isThere(engine)) continue;
    const told = await runCommand([engine, '--version'], { timeoutMs: VERSION_MS });
    return `not offered (${told.code === 0 ? told.stdout.split('\n')[0]!.trim() : engine} is here, but this version moves processes only)`;
  }
  return 'not offered (neither runc nor podman is here)';
}

const TRIAL = '#!/bin/sh\nread line\necho "$line"\n';
const sha256Of: Sha256Of = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};

async function tryOut(options: ProcessRuntimeOptions): Promise<{ trialMs: number } | Refusal> {
  const bytes = new TextEncoder().encode(TRIAL);
  const program: ThreadProgram = {
    thread: 'godwit-trial' as ThreadId, runtime: 'process', bytes, sha256: sha256Of(bytes), args: [], env: {}, seed: 1,
    limits: { memoryBytes: 64 * 1024 * 1024, stackBytes: 0, tableEntries: 0, safepointMs: 1_000 },
  };
  const runtime = new ProcessRuntime(options);
  const events = { onOutput() {}, onConsumed() {}, onFault() {}, onExit() {} };
  const source = await runtime.prepare(program, events, sha256Of);
  if (isRefusal(source)) return source;
  const target = await runtime.prepare(program, events, sha256Of);
  try {
    if (isRefusal(target)) return target;
    const started = (await source.start()) ?? (await source.freeze());
    if (isRefusal(started)) return started;
    const beganMs = performance.now();
    const snapshot = await source.snapshot();
    if (isRefusal(snapshot)) return snapshot;
    const refused = await target.restore(snapshot);
    return isRefusal(refused) ? refused : { trialMs: performance.now() - beganMs };
  } finally {
    await source.stop();
    if (!isRefusal(target)) await target.stop();
  }
}
