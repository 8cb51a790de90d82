import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { isRefusal, type Sha256 } from '@godwit/kernel';
import { BLOCK_BYTES } from '@godwit/snapshot';
import { ImageCopier, ImageTarget, type ImagePort } from './index.js';

const MAXIMUM = 96 * BLOCK_BYTES;
const port: ImagePort = {
  equal: (a, aAt, b, bAt, bytes) => Buffer.compare(a.subarray(aAt, aAt + bytes), b.subarray(bAt, bAt + bytes)) === 0,
  copy: (from, fromAt, to, toAt, bytes) => to.set(from.subarray(fromAt, fromAt + bytes), toAt),
  hash: (bytes, from, to, out, at) => out.set(createHash('sha256').update(bytes.subarray(from, to)).digest(), at),
  allocate: (maximumBytes) => {
    const all = new Uint8Array(maximumBytes);
    return { grow: (bytes) => all.subarray(0, bytes) };
  },
};
const sha256 = (...parts: readonly Uint8Array[]): Sha256 => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex') as Sha256;
const REST = [Uint8Array.of(1, 2, 3)];

/** A program that writes between any two pieces of a round. */
type Write = { at: number; value: number; bytes: number };
const anyWrite = fc.record({ at: fc.nat(64 * BLOCK_BYTES - 1), value: fc.nat(255), bytes: fc.oneof(fc.constant(1), fc.nat(9_000)) });
const write = (image: Uint8Array, { at, value, bytes }: Write): Uint8Array => image.fill(value, at, at + bytes);

function target(): { held: Uint8Array; target: ImageTarget; grow(bytes: number): void } {
  const held = new Uint8Array(MAXIMUM);
  const one = new ImageTarget(port.hash);
  return { held, target: one, grow: (bytes) => one.use(held.subarray(0, bytes)) };
}

/** Copies one round in slices of `cut` bytes, while `writes` happen, one after each piece. */
function round(copier: ImageCopier, live: Uint8Array, to: ImageTarget, cut: number, writes: readonly Write[] = []): number {
  let bytes = 0;
  let piece = 0;
  to.begin();
  for (const { parts } of copier.round(live)) {
    const joined = new Uint8Array(Buffer.concat(parts));
    bytes += joined.length;
    for (let at = 0; at < joined.length; at += cut) expect(to.take(joined.subarray(at, at + cut))).toBeUndefined();
    const next = writes[piece++];
    if (next) write(live, next);
  }
  return bytes;
}

describe('rounds over an image that is written all the while', () => {
  it('make the target equal once the image stands still, with the same digest, in whatever slices the bytes come', () => {
    fc.assert(fc.property(fc.array(fc.array(anyWrite, { maxLength: 12 }), { maxLength: 4 }), fc.array(anyWrite, { maxLength: 8 }), fc.integer({ min: 1, max: 9_000 }), (rounds, before, cut) => {
      const live = new Uint8Array(64 * BLOCK_BYTES);
      for (const one of before) write(live, one);
      const copier = new ImageCopier(port, MAXIMUM);
      const there = target();
      there.grow(live.length);
      for (const writes of rounds) round(copier, live, there.target, cut, writes);
      round(copier, live, there.target, cut);
      expect(Buffer.compare(there.held.subarray(0, live.length), live)).toBe(0);
      expect(there.target.stateDigest(REST, sha256)).toBe(copier.stateDigest(REST, sha256));
    }), { numRuns: 60 });
  });

  it('have the digest of a copy that was made at once', () => {
    const live = new Uint8Array(64 * BLOCK_BYTES);
    const stepwise = new ImageCopier(port, MAXIMUM);
    const there = target();
    there.grow(live.length);
    for (let i = 0; i < 5; i++) {
      write(live, { at: i * 9_999, value: i + 1, bytes: 20_000 });
      round(stepwise, live, there.target, 4_000);
    }
    live.fill(0, 10_000, 60_000);
    round(stepwise, live, there.target, 4_000);
    const atOnce = new ImageCopier(port, MAXIMUM);
    const other = target();
    other.grow(live.length);
    round(atOnce, live, other.target, 4_000);
    expect(atOnce.stateDigest(REST, sha256)).toBe(stepwise.stateDigest(REST, sha256));
    expect(there.target.stateDigest(REST, sha256)).toBe(other.target.stateDigest(REST, sha256));
    expect(atOnce.stateDigest([Uint8Array.of(9)], sha256)).not.toBe(stepwise.stateDigest(REST, sha256));
  });

  it('send only what changed: nothing for a still image, little for a word', () => {
    const live = new Uint8Array(64 * BLOCK_BYTES).fill(7);
    const copier = new ImageCopier(port, MAXIMUM);
    const there = target();
    there.grow(live.length);
    expect(round(copier, live, there.target, 9_999)).toBeGreaterThanOrEqual(live.length);
    expect(round(copier, live, there.target, 9_999)).toBe(0);
    live[5 * BLOCK_BYTES + 1_000] = 8;
    expect(round(copier, live, there.target, 9_999)).toBeLessThan(64);
  });

  it('follow an image that grows', () => {
    const all = new Uint8Array(MAXIMUM).fill(3, 0, 32 * BLOCK_BYTES);
    const copier = new ImageCopier(port, MAXIMUM);
    const there = target();
    for (const blocks of [32, 64, 96]) {
      all.fill(blocks, (blocks - 3) * BLOCK_BYTES, blocks * BLOCK_BYTES - 100);
      there.grow(blocks * BLOCK_BYTES);
      round(copier, all.subarray(0, blocks * BLOCK_BYTES), there.target, 5_000);
      expect(Buffer.compare(there.held.subarray(0, blocks * BLOCK_BYTES), all.subarray(0, blocks * BLOCK_BYTES))).toBe(0);
      expect(there.target.stateDigest(REST, sha256)).toBe(copier.stateDigest(REST, sha256));
    }
    expect(() => [...copier.round(all.subarray(0, BLOCK_BYTES))]).toThrow(RangeError);
  });

  it('look only at the blocks that were written, where writes are tracked', () => {
    const live = new Uint8Array(64 * BLOCK_BYTES).fill(1);
    const copier = new ImageCopier(port, MAXIMUM);
    for (const piece of copier.round(live)) void piece;
    live[40 * BLOCK_BYTES] = 2;
    live[50 * BLOCK_BYTES] = 2;
    const written = new Uint8Array(8);
    written[5] = 1; // block 40
    const found = [...copier.round(live, written)].reduce((sum, piece) => sum + piece.blocks, 0);
    expect(found).toBe(1);
  });
});

describe('a target', () => {
  it('refuses what does not fit, and has no digest in the middle of a record', () => {
    const there = target();
    there.grow(4 * BLOCK_BYTES);
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(0, 4, true);
    new DataView(head.buffer).setUint32(4, 1, true);
    expect(there.target.take(head)).toMatchObject({ refused: true, code: 'snapshot-damaged' });
    const other = target();
    other.grow(4 * BLOCK_BYTES);
    new DataView(head.buffer).setUint32(0, 0, true);
    new DataView(head.buffer).setUint32(4, ((1 << 28) | 1) >>> 0, true);
    expect(other.target.take(head)).toBeUndefined();
    expect(isRefusal(other.target.stateDigest(REST, sha256))).toBe(true);
  });

  it('has another digest when a byte on the way was altered', () => {
    const live = new Uint8Array(8 * BLOCK_BYTES).fill(5);
    const copier = new ImageCopier(port, MAXIMUM);
    const there = target();
    there.grow(live.length);
    for (const { parts } of copier.round(live)) {
      const joined = new Uint8Array(Buffer.concat(parts));
      if (joined.length > 4_000) joined[4_000]! ^= 1;
      expect(there.target.take(joined)).toBeUndefined();
    }
    expect(there.target.stateDigest(REST, sha256)).not.toBe(copier.stateDigest(REST, sha256));
  });
});
