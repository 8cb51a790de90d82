import type { Sha256 } from '@godwit/kernel';
import type { CheckpointPart } from '@godwit/journal';
import { CheckpointChain, DEFAULT_CHAIN } from './checkpoint-chain.js';

const part = (k: number, bytes: number): CheckpointPart => ({ k, bytes, chunks: 1, digest: 'a'.repeat(64) as Sha256 });

/** Writes checkpoints as the chain asks for them; @returns the parents that it asked for. */
function parents(chain: CheckpointChain, sizes: readonly number[]): number[] {
  return sizes.map((bytes, i) => {
    const parent = chain.parent();
    chain.continues(chain.with(part(i + 1, bytes), parent));
    return parent;
  });
}

describe('the chain of checkpoints', () => {
  it('begins with a base, and goes on with deltas', () => {
    expect(parents(new CheckpointChain(DEFAULT_CHAIN), [1_000, 10, 10, 10])).toEqual([0, 1, 2, 3]);
  });
  it('begins anew after sixteen deltas', () => {
    const asked = parents(new CheckpointChain(DEFAULT_CHAIN), Array.from({ length: 19 }, (_, i) => (i % 17 === 0 ? 1_000_000 : 10)));
    expect(asked.map((parent) => parent === 0)).toEqual(asked.map((_parent, i) => i === 0 || i === 17));
  });
  it('begins anew when the deltas are more than half of the base', () => {
    expect(parents(new CheckpointChain(DEFAULT_CHAIN), [1_000, 300, 200, 1, 1_000, 10])).toEqual([0, 1, 2, 3, 0, 5]);
  });
  it('begins anew after a doubt', () => {
    const chain = new CheckpointChain(DEFAULT_CHAIN);
    parents(chain, [1_000, 10]);
    chain.break();
    expect(chain.isEmpty).toBe(true);
    expect(chain.parent()).toBe(0);
    expect(chain.baseFor(3, 0)).toBe(3);
  });
  it('names base and deltas in order', () => {
    const chain = new CheckpointChain(DEFAULT_CHAIN);
    parents(chain, [1_000, 10]);
    expect(chain.with(part(3, 5), chain.parent()).map(({ k }) => k)).toEqual([1, 2, 3]);
    expect(chain.baseFor(3, 2)).toBe(1);
  });
});
