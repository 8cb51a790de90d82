import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { isRefusal } from '@godwit/kernel';
import { applyDelta, BLOCK_BYTES, changedBlocks, encodeDelta, ImageDigest, MOST_WORDS_BYTES, type BlockPort, type HashInto } from './index.js';

const port: BlockPort = {
  equal: (a, aAt, b, bAt, bytes) => Buffer.compare(a.subarray(aAt, aAt + bytes), b.subarray(bAt, bAt + bytes)) === 0,
  copy: (from, fromAt, to, toAt, bytes) => to.set(from.subarray(fromAt, fromAt + bytes), toAt),
};
const hash: HashInto = (bytes, from, to, out, at) => out.set(createHash('sha256').update(bytes.subarray(from, to)).digest(), at);
const BLOCKS = 6;
const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** An image, and one that differs from it in the ways that programs make differences. */
const anyEdit = fc.oneof(
  fc.record({ how: fc.constant('word' as const), at: fc.nat(BLOCKS * 512 - 1), value: fc.nat(255) }),
  fc.record({ how: fc.constant('zero' as const), at: fc.nat(BLOCKS - 1), value: fc.constant(0) }),
  fc.record({ how: fc.constant('fill' as const), at: fc.nat(BLOCKS - 1), value: fc.nat(255) }),
);
type Edit = { how: 'word' | 'zero' | 'fill'; at: number; value: number };
function edited(image: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const next = new Uint8Array(image);
  for (const { how, at, value } of edits) {
    if (how === 'word') next[at * 8 + (value % 8)] = value;
    else next.subarray(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES).forEach((_, i, block) => (block[i] = how === 'zero' ? 0 : (value + i * 7) % 251));
  }
  return next;
}
const anyImage = fc.array(anyEdit, { maxLength: 6 }).map((edits) => edited(new Uint8Array(BLOCKS * BLOCK_BYTES), edits));
const delta = (base: Uint8Array, next: Uint8Array): Uint8Array => join(encodeDelta(new Uint8Array(base), next, port).parts);

describe('a delta', () => {
  it('leads from its base to what it was made from, and again when it is applied twice', () => {
    fc.assert(fc.property(anyImage, fc.array(anyEdit, { maxLength: 40 }), (base, edits) => {
      const next = edited(base, edits);
      const made = delta(base, next);
      const image = new Uint8Array(base);
      expect(applyDelta(image, made)).toBeUndefined();
      expect(Buffer.compare(image, next)).toBe(0);
      expect(applyDelta(image, made)).toBeUndefined();
      expect(Buffer.compare(image, next)).toBe(0);
    }));
  });

  it('makes its base what it leads to, and is the same each time it is made', () => {
    fc.assert(fc.property(anyImage, fc.array(anyEdit, { maxLength: 20 }), (base, edits) => {
      const next = edited(base, edits);
      const taken = new Uint8Array(base);
      const { parts, bytes } = encodeDelta(taken, next, port);
      expect(Buffer.compare(taken, next)).toBe(0);
      expect(join(parts).length).toBe(bytes);
      expect(delta(base, next)).toEqual(join(parts));
    }));
  });

  it('of an image to itself is empty; a changed word costs 20 bytes; a block of zeros 8', () => {
    const base = edited(new Uint8Array(BLOCKS * BLOCK_BYTES), [{ how: 'fill', at: 1, value: 3 }, { how: 'fill', at: 2, value: 9 }]);
    expect(delta(base, base).length).toBe(0);
    expect(delta(base, edited(base, [{ how: 'word', at: 600, value: 77 }])).length).toBe(8 + 4 + 8);
    expect(delta(base, edited(base, [{ how: 'zero', at: 1, value: 0 }, { how: 'zero', at: 2, value: 0 }])).length).toBe(8);
    expect(delta(base, edited(base, [{ how: 'fill', at: 1, value: 77 }])).length).toBe(8 + BLOCK_BYTES);
  });

  it('takes less than an eighth of the block when one word in twenty changed', () => {
    const base = edited(new Uint8Array(BLOCKS * BLOCK_BYTES), Array.from({ length: BLOCKS }, (_, at) => ({ how: 'fill', at, value: at }) as const));
    const next = new Uint8Array(base);
    for (let i = 0; i < next.length; i += 160) next[i]! ^= 0x55;
    expect(delta(base, next).length).toBeLessThan(next.length / 8);
  });

  it('names the blocks that it changes', () => {
    const base = new Uint8Array(BLOCKS * BLOCK_BYTES);
    const next = edited(base, [{ how: 'word', at: 5, value: 1 }, { how: 'fill', at: 3, value: 5 }, { how: 'fill', at: 4, value: 5 }]);
    expect(changedBlocks(delta(base, next), BLOCKS)).toEqual([0, 3, 4]);
  });
});

describe('a delta from elsewhere', () => {
  const record = (block: number, kind: number, n: number, body: number[] = []): Uint8Array => {
    const bytes = new Uint8Array(8 + body.length);
    new DataView(bytes.buffer).setUint32(0, block, true);
    new DataView(bytes.buffer).setUint32(4, ((kind << 28) | n) >>> 0, true);
    bytes.set(body, 8);
    return bytes;
  };
  const run = (skip: number, count: number, words = count): number[] => [skip & 255, skip >> 8, count & 255, count >> 8, ...Array.from({ length: words * 8 }, () => 1)];

  it.each([
    ['half a head', Uint8Array.of(0, 0, 0)],
    ['an unknown kind', record(0, 7, 1)],
    ['a record of no blocks', record(0, 0, 0)],
    ['a block beyond the image', record(BLOCKS, 0, 1)],
    ['a run of blocks that ends beyond the image', record(BLOCKS - 1, 0, 2)],
    ['more blocks than a record may name', record(0, 0, (1 << 18) + 1)],
    ['a raw block without its bytes', record(0, 1, 1, [1, 2, 3])],
    ['a block twice', join([record(1, 0, 1), record(1, 0, 1)])],
    ['blocks that descend', join([record(2, 0, 1), record(1, 0, 1)])],
    ['words longer than a block', record(0, 2, MOST_WORDS_BYTES + 4)],
    ['words of no whole run', record(0, 2, 8, run(0, 1).slice(0, 8))],
    ['a run of nothing', record(0, 2, 4, run(3, 0))],
    ['two runs without a word between', record(0, 2, 24, [...run(0, 1), ...run(0, 1)])],
    ['a run past the end of its block', record(0, 2, 12, run(512, 1))],
  ])('is refused for %s, and changes nothing', (_what, bytes) => {
    const image = new Uint8Array(BLOCKS * BLOCK_BYTES).fill(9);
    expect(applyDelta(image, join([record(0, 0, 1), bytes]))).toMatchObject({ refused: true, code: 'snapshot-damaged', field: 'delta' });
    expect(image.every((byte) => byte === 9)).toBe(true);
  });

  it('is applied or refused, whatever was done to its bytes, and never harms more than its blocks', () => {
    fc.assert(fc.property(anyImage, fc.array(anyEdit, { minLength: 1, maxLength: 10 }), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(40), (base, edits, changes, cut) => {
      const made = delta(base, edited(base, edits));
      const bad = made.slice(0, Math.max(0, made.length - cut));
      for (const [at, value] of changes) if (bad.length > 0) bad[at % bad.length] = value;
      const image = new Uint8Array(base);
      const names = changedBlocks(bad, BLOCKS);
      const refused = applyDelta(image, bad);
      expect(isRefusal(names)).toBe(refused !== undefined);
      for (let block = 0; block < BLOCKS; block++) {
        if (!isRefusal(names) && names.includes(block)) continue;
        expect(Buffer.compare(image.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES), base.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))).toBe(0);
      }
    }));
  });

  it('of random bytes never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const image = new Uint8Array(BLOCKS * BLOCK_BYTES);
      const refused = applyDelta(image, bytes);
      expect(refused === undefined || refused.code === 'snapshot-damaged').toBe(true);
    }));
  });
});

describe('the digest of an image', () => {
  const rootOf = (image: Uint8Array): string => {
    const digest = new ImageDigest(hash);
    digest.grow(image.length / BLOCK_BYTES);
    for (let block = 0; block * BLOCK_BYTES < image.length; block++) {
      if (image.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES).some((byte) => byte !== 0)) digest.filled(image, block);
    }
    return Buffer.from(digest.root()).toString('hex');
  };

  it('is the same whether it was kept as blocks changed or made at once', () => {
    fc.assert(fc.property(anyImage, fc.array(anyEdit, { maxLength: 10 }), fc.array(anyEdit, { maxLength: 10 }), (first, some, more) => {
      const digest = new ImageDigest(hash);
      let image = new Uint8Array(BLOCKS * BLOCK_BYTES);
      for (const next of [first, edited(first, some), edited(edited(first, some), more)]) {
        const blocks = changedBlocks(delta(image, next), BLOCKS);
        if (isRefusal(blocks)) throw new Error(blocks.reason);
        image = new Uint8Array(next);
        digest.grow(BLOCKS);
        for (const block of blocks) {
          if (next.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES).every((byte) => byte === 0)) digest.zeroed(block);
          else digest.filled(next, block);
        }
        digest.root();
      }
      expect(Buffer.from(digest.root()).toString('hex')).toBe(rootOf(image));
    }), { numRuns: 40 });
  });

  it('tells images apart by any byte and by the place of a block, and not by zeros behind their end', () => {
    const image = edited(new Uint8Array(300 * BLOCK_BYTES), [{ how: 'fill', at: 5, value: 1 }]);
    const other = new Uint8Array(image);
    other[299 * BLOCK_BYTES + 4_095] = 1;
    const moved = edited(new Uint8Array(300 * BLOCK_BYTES), [{ how: 'fill', at: 6, value: 1 }]);
    expect(new Set([image, other, moved].map(rootOf)).size).toBe(3);
    const longer = new Uint8Array(900 * BLOCK_BYTES);
    longer.set(image);
    expect(rootOf(longer)).toBe(rootOf(image));
  });
});
