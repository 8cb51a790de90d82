import { describe, expect, it } from '@jest/globals';
import { Duty } from './duty.js';

/** A thread on a clock of its own. The kernel books its CPU late: only when the thread gives way. */
class Simulated {
  nowMs = 0;
  usedMs = 0;
  bookedMs = 0;
  readonly duty = new Duty({ cpuMicros: () => this.bookedMs * 1000, monotonicMs: () => this.nowMs });

  constructor(private readonly booking: 'at once' | 'late') {}

  work(cpuMs: number, wallMs = cpuMs): void {
    this.usedMs += cpuMs;
    this.nowMs += wallMs;
    if (this.booking === 'at once') this.bookedMs = this.usedMs;
    const holdMs = this.duty.charge();
    if (holdMs === 0) return;
    this.nowMs += holdMs;
    this.bookedMs = this.usedMs;
    this.duty.held(holdMs);
  }

  wait(ms: number): void {
    this.nowMs += ms;
    this.bookedMs = this.usedMs;
    this.duty.begin();
  }

  get ratio(): number {
    return this.usedMs / this.nowMs;
  }
}

describe('the duty cycle', () => {
  it.each([[0.1], [0.25], [0.7]])('keeps the CPU at %p of the wall time', (ratio) => {
    const thread = new Simulated('at once');
    thread.duty.set(ratio);
    for (let i = 0; i < 2000; i++) thread.work(1 + (i % 5));
    expect(Math.abs(thread.ratio / ratio - 1)).toBeLessThan(0.01);
  });

  it('charges CPU that the kernel books only while the thread is held', () => {
    const thread = new Simulated('late');
    thread.duty.set(0.25);
    for (let i = 0; i < 2000; i++) {
      thread.work(2);
      // A tick comes in the middle of every second stretch.
      if (i % 2 === 1) thread.bookedMs = thread.usedMs;
    }
    expect(Math.abs(thread.ratio / 0.25 - 1)).toBeLessThan(0.02);
  });

  it('counts time that the kernel gave to others as held', () => {
    const thread = new Simulated('at once');
    thread.duty.set(0.5);
    for (let i = 0; i < 100; i++) thread.work(2, 4);
    expect(thread.ratio).toBe(0.5);
  });

  it('gives no credit for waiting for input', () => {
    const thread = new Simulated('at once');
    thread.duty.set(0.25);
    thread.wait(10_000);
    const fromMs = thread.nowMs;
    for (let i = 0; i < 100; i++) thread.work(2);
    expect(thread.usedMs / (thread.nowMs - fromMs)).toBeLessThan(0.26);
  });

  it('holds nothing back at 1, and charges nothing of that time later', () => {
    const thread = new Simulated('at once');
    thread.work(500);
    expect(thread.nowMs).toBe(500);
    thread.duty.set(0.5);
    expect(thread.duty.charge()).toBe(0);
  });
});
