/**
 * Virtual time: one queue of events, ordered by instant and then by the order in which they were put in.
 *
 * Quiescence. The code under simulation waits for promises only, and every promise is settled by an event of this queue.
 * So after an event everything that follows from it is done exactly when the microtask queue is empty. That moment is
 * known without real time: a microtask that asks for `process.nextTick` is called back only after all microtasks, those
 * that they queued included, have run. No macrotask takes part, so a run never touches timers or I/O of the host.
 */
import type { Rng } from '@godwit/kernel';

interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}
export interface Scheduled {
  cancel(): void;
}

export class EventLoop {
  nowMs = 0;
  /** Events that were run. */
  ran = 0;
  private order = 0;
  private readonly heap: Event[] = [];

  constructor(readonly rng: Rng) {}

  at(atMs: number, run: () => void): Scheduled {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: this.order++, run };
    this.push(event);
    return { cancel: () => { event.run = undefined; } };
  }
  after(delayMs: number, run: () => void): Scheduled {
    return this.at(this.nowMs + delayMs, run);
  }

  /** Runs events until `untilMs`, or until `stop` says so after an event and all that followed from it. @throws what an event threw. */
  run(untilMs: number, stop: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => queueMicrotask(() => process.nextTick(turn));
      const turn = (): void => {
        try {
          if (stop()) return resolve();
          const event = this.next(untilMs);
          if (!event) {
            this.nowMs = Math.max(this.nowMs, untilMs);
            return resolve();
          }
          this.nowMs = event.atMs;
          this.ran++;
          event.run!();
          settle();
        } catch (error) {
          reject(error as Error);
        }
      };
      settle();
    });
  }

  private next(untilMs: number): Event | undefined {
    for (let first = this.heap[0]; first && first.atMs <= untilMs; first = this.heap[0]) {
      this.pop();
      if (first.run) return first;
    }
    return undefined;
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Draws that read well. */
export class Dice {
  constructor(readonly rng: Rng) {}
  chance(probability: number): boolean {
    return this.rng.next() < probability;
  }
  between(low: number, high: number): number {
    return low + this.rng.next() * (high - low);
  }
  /** Uniform integer, both ends included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.rng.next() * (high - low + 1));
  }
  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.rng.next() * from.length)]!;
  }
}
