import type { Timers } from '@godwit/kernel';
import { TakeOvers } from './take-overs.js';

/** Timers that fire when they are told to. */
function handTimers(): { readonly timers: Timers; readonly fire: () => void } {
  const waiting = new Set<() => void>();
  return {
    timers: { after: (_ms, run) => { waiting.add(run); return { cancel: () => void waiting.delete(run) }; }, every: () => ({ cancel: () => undefined }) },
    fire: () => { for (const run of [...waiting]) run(); },
  };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('take-overs in turn', () => {
  it('are begun in order, only so many at a time', async () => {
    const turns = new TakeOvers(handTimers().timers, 2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const all = [0, 1, 2, 3].map((i) => turns.inTurn(() => { begun.push(i); return new Promise<void>((resolve) => (ends[i] = resolve)); }));
    await settled();
    expect(begun).toEqual([0, 1]);
    ends[1]!();
    await settled();
    expect(begun).toEqual([0, 1, 2]);
    ends[0]!();
    ends[2]!();
    await settled();
    expect(begun).toEqual([0, 1, 2, 3]);
    ends[3]!();
    await Promise.all(all);
  });
  it('give up their turn when they take too long', async () => {
    const { timers, fire } = handTimers();
    const turns = new TakeOvers(timers, 1);
    const begun: string[] = [];
    const slow = turns.inTurn(() => { begun.push('slow'); return new Promise<void>(() => undefined); });
    const next = turns.inTurn(async () => { begun.push('next'); });
    await settled();
    expect(begun).toEqual(['slow']);
    fire();
    await Promise.all([slow, next]);
    expect(begun).toEqual(['slow', 'next']);
  });
  it('that fail tell so, and let the next one begin', async () => {
    const turns = new TakeOvers(handTimers().timers, 1);
    const failed = turns.inTurn(async () => { throw new Error('no answer'); });
    const next = turns.inTurn(async () => undefined);
    await expect(failed).rejects.toThrow('no answer');
    await next;
  });
});
