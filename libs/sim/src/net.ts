/** The simulated network: messages between processes that come late, twice, in another order, or not at all. */
import { OperationError } from '@godwit/kernel';
import type { Dice, EventLoop } from './loop.js';
import type { Proc } from './proc.js';

/** How bad the network is at the moment. */
export interface Weather {
  /** Probabilities, 0..1. */
  drop: number;
  duplicate: number;
  /** Of a delay of up to `slowMs` more. */
  slow: number;
  slowMs: number;
}
export const FAIR: Weather = { drop: 0, duplicate: 0, slow: 0, slowMs: 0 };

export class Net {
  weather: Weather = { ...FAIR };
  private readonly blocked = new Set<string>();
  /** What it did to messages. */
  readonly fired = { drop: 0, duplicate: 0, slow: 0, blocked: 0 };

  constructor(private readonly loop: EventLoop, private readonly dice: Dice) {}

  /** One way. */
  block(from: string, to: string): void {
    this.blocked.add(`${from}>${to}`);
  }
  unblock(from: string, to: string): void {
    this.blocked.delete(`${from}>${to}`);
  }
  heal(): void {
    this.blocked.clear();
    this.weather = { ...FAIR };
  }

  /** @param via processes that the message passes, by name and in order: a way that is blocked anywhere is blocked. */
  send(from: Proc, to: Proc, run: () => void, via: readonly Proc[] = []): void {
    const way = [from, ...via, to];
    if (via.some(({ alive }) => !alive)) return;
    for (let i = 1; i < way.length; i++) {
      if (this.blocked.has(`${way[i - 1]!.name}>${way[i]!.name}`)) return void this.fired.blocked++;
    }
    if (this.dice.chance(this.weather.drop)) return void this.fired.drop++;
    this.loop.after(this.delay(), () => to.deliver(run));
    if (!this.dice.chance(this.weather.duplicate)) return;
    this.fired.duplicate++;
    this.loop.after(this.delay(), () => to.deliver(run));
  }

  private delay(): number {
    const usualMs = this.dice.between(0.1, 2);
    if (!this.dice.chance(this.weather.slow)) return usualMs;
    this.fired.slow++;
    return usualMs + this.dice.between(0, this.weather.slowMs);
  }

  /**
   * Asks `to` and waits for its answer: `serve` runs there, as often as the request arrives.
   * @throws OperationError('timeout', effect unknown), or what `serve` threw.
   */
  ask<Reply>(from: Proc, to: Proc, timeoutMs: number, serve: () => Reply | Promise<Reply>, via: readonly Proc[] = []): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      let open = true;
      const done = from.living(() => {
        if (!open) return;
        open = false;
        reject(new OperationError('timeout', `${to.name} did not answer ${from.name} within ${timeoutMs} ms`, { effect: 'unknown' }));
      });
      const timer = from.timers.after(timeoutMs, done);
      const answer = (settle: () => void): void => this.send(to, from, () => {
        if (!open) return;
        open = false;
        timer.cancel();
        settle();
      }, [...via].reverse());
      // Of the life that asked: a process that was started anew does not know the question.
      const { life } = from;
      const guarded = (settle: () => void) => (): void => { if (from.life === life) settle(); };
      this.send(from, to, () => {
        Promise.resolve().then(serve).then((reply) => answer(guarded(() => resolve(reply))), (error: Error) => answer(guarded(() => reject(error))));
      }, via);
    });
  }
}
