/**
 * Runs a thread in this process from its first record to its last, without any move: what a journal must equal, and how
 * much CPU each record takes.
 */
import { createHash } from 'node:crypto';
import { isRefusal, OperationError, type DurationMs, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import type { InputRecord, Runtime, RuntimeEvents, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { CHAIN_START, type ThreadOutput } from '@godwit/snapshot';

export const sha256: Sha256Of = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};

export interface UnmovedRun {
  readonly outputs: number;
  /** Of the last output. */
  readonly chainHash: Sha256;
  readonly exitCode: number;
  readonly cpuSeconds: number;
  /** CPU that the program had used when it took the record that is so many behind the first, seconds; for cost curves. */
  readonly cpuSecondsAt: readonly number[];
  readonly made: readonly ThreadOutput[];
}

/** Records fed and not consumed, at most. */
const WINDOW = 64;
const QUIET_MS: DurationMs = 30_000;

/** @throws OperationError when the thread faults, or makes no progress for half a minute. */
export async function runUnmoved(runtime: Runtime, program: ThreadProgram, records: Iterable<InputRecord> | AsyncIterable<InputRecord>): Promise<UnmovedRun> {
  const run = new Run(program);
  const instance = await runtime.prepare(program, run, sha256);
  if (isRefusal(instance)) throw failure(program, instance);
  try {
    return await run.through(instance, records);
  } finally {
    await instance.stop();
  }
}

const failure = (program: ThreadProgram, { code, reason }: Refusal): OperationError => new OperationError(code, `${program.thread}, run unmoved: ${reason}`, { effect: 'none' });

class Run implements RuntimeEvents {
  private readonly made: ThreadOutput[] = [];
  private chainHash: Sha256 = CHAIN_START;
  private fed = 0;
  private consumed = 0;
  private fault: Refusal | undefined;
  private exitCode: number | undefined;
  private instance: ThreadInstance | undefined;
  private readonly cpuSecondsAt: number[] = [];
  private wake: (() => void) | undefined;

  constructor(private readonly program: ThreadProgram) {}

  onOutput(output: ThreadOutput): void {
    this.made.push(output);
    this.chainHash = output.hash;
  }
  onConsumed(): void {
    this.consumed++;
    this.cpuSecondsAt.push(this.instance?.sample().cpuSeconds ?? 0);
    this.wake?.();
  }
  onFault(fault: Refusal): void {
    this.fault = fault;
    this.wake?.();
  }
  onExit(code: number): void {
    this.exitCode = code;
    this.wake?.();
  }

  async through(instance: ThreadInstance, records: Iterable<InputRecord> | AsyncIterable<InputRecord>): Promise<UnmovedRun> {
    this.instance = instance;
    const refused = await instance.start();
    if (refused) throw failure(this.program, refused);
    for await (const record of records) {
      instance.feed([record]);
      this.fed++;
      await this.until(() => this.fed - this.consumed < WINDOW || this.exitCode !== undefined);
    }
    await this.until(() => this.exitCode !== undefined);
    const { made, chainHash, cpuSecondsAt } = this;
    return { outputs: made.length, made, chainHash, exitCode: this.exitCode!, cpuSeconds: instance.sample().cpuSeconds, cpuSecondsAt };
  }

  private async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.fault) throw failure(this.program, this.fault);
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new OperationError('timeout', `${this.program.thread}, run unmoved: no progress for ${QUIET_MS} ms`, { effect: 'none' })), QUIET_MS);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (this.fault) throw failure(this.program, this.fault);
  }
}
