/**
 * Ends a program that a freeze waits for in vain. Loops and recursion poll, so only a single instruction or a poll-free
 * stretch of very long instructions can do that. CPU time of the worker counts, not wall time: a crowded machine, or one
 * that was paused, is not the program's fault.
 */
import type { Worker } from 'node:worker_threads';

const CHECK_MS = 20;

export class SafepointWatchdog {
  private timer: NodeJS.Timeout | undefined;
  private run = 0;
  constructor(private readonly worker: Worker, private readonly limitMs: number, private readonly passed: (cpuMs: number) => void) {}

  /** Counts from here until `stop`. */
  start(): void {
    const run = ++this.run;
    let firstMs: number | undefined;
    const check = async (): Promise<void> => {
      const usage = await this.worker.cpuUsage().catch(() => undefined); // the worker has ended: its own event tells
      if (!usage || run !== this.run) return;
      const cpuMs = (usage.user + usage.system) / 1_000;
      firstMs ??= cpuMs;
      if (cpuMs - firstMs > this.limitMs) return this.passed(cpuMs - firstMs);
      this.timer = setTimeout(() => void check(), CHECK_MS);
    };
    this.timer = setTimeout(() => void check(), CHECK_MS);
  }
  stop(): void {
    this.run++;
    clearTimeout(this.timer);
  }
}
