import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Sha256 } from '@godwit/kernel';
import { applyDelta, BLOCK_BYTES, type HashInto } from '@godwit/snapshot';
import { CheckpointImage, ImageTarget } from './index.js';

const MAXIMUM = 96 * BLOCK_BYTES;
const hash: HashInto = (bytes, from, to, out, at) => out.set(createHash('sha256').update(bytes.subarray(from, to)).digest(), at);
const port = {
  equal: (a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, bytes: number) => Buffer.compare(a.subarray(aAt, aAt + bytes), b.subarray(bAt, bAt + bytes)) === 0,
  copy: (from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, bytes: number) => to.set(from.subarray(fromAt, fromAt + bytes), toAt),
  hash,
};
const memory = () => {
  const all = new Uint8Array(MAXIMUM);
  return { grow: (bytes: number) => all.subarray(0, bytes) };
};
const sha256 = (...parts: readonly Uint8Array[]): Sha256 => parts.reduce((sum, part) => sum.update(part), createHash('sha256')).digest('hex') as Sha256;
const REST = [Uint8Array.of(1, 2, 3)];

type Write = { at: number; value: number; bytes: number };
const anyWrite = fc.record({ at: fc.nat(60 * BLOCK_BYTES - 1), value: fc.nat(255), bytes: fc.oneof(fc.constant(1), fc.nat(9_000)) });
const anyCheckpoints = fc.array(fc.array(anyWrite, { maxLength: 6 }), { minLength: 1, maxLength: 6 });
const write = (image: Uint8Array, { at, value, bytes }: Write): Uint8Array => image.fill(value, at, at + bytes);
const joined = (pieces: Iterable<{ readonly parts: readonly Uint8Array[] }>): Buffer => Buffer.concat([...pieces].flatMap(({ parts }) => parts.map((part) => Buffer.from(part))));
const drain = (steps: Iterable<void>): void => { for (const _step of steps) continue; };

/** The digest of a state, found by somebody who has only the image. */
function digestOf(image: Uint8Array): Sha256 {
  const copier = new CheckpointImage(port, memory());
  copier.capture(image);
  drain(copier.absorb());
  return copier.stateDigest(REST, sha256);
}

describe('the private copy of a checkpoint', () => {
  it('says by base and deltas what the thread’s memory was at each checkpoint, and the digest of that', () => {
    fc.assert(fc.property(anyCheckpoints, (checkpoints) => {
      const live = new Uint8Array(64 * BLOCK_BYTES);
      const source = new CheckpointImage(port, memory());
      const rebuilt = new Uint8Array(live.length);
      const target = new ImageTarget(hash);
      target.use(rebuilt);
      for (const [i, writes] of checkpoints.entries()) {
        for (const one of writes) write(live, one);
        const then = live.slice();
        source.capture(live);
        write(live, { at: 0, value: i + 1, bytes: 5_000 }); // the thread runs again before anything is encoded
        if (i === 0) drain(source.absorb());
        const delta = i === 0 ? joined(source.whole()) : joined(source.delta());
        target.begin();
        expect(target.take(delta)).toBeUndefined();
        expect(Buffer.compare(rebuilt, then)).toBe(0);
        expect(target.stateDigest(REST, sha256)).toBe(source.stateDigest(REST, sha256));
        expect(source.stateDigest(REST, sha256)).toBe(digestOf(then));
      }
    }), { numRuns: 60 });
  });

  it('is said whole as it was when that was asked for, whatever checkpoints come meanwhile', () => {
    fc.assert(fc.property(anyCheckpoints, fc.nat(8), (checkpoints, early) => {
      const live = new Uint8Array(64 * BLOCK_BYTES).map((_, i) => (i * 7) & 0xff);
      const source = new CheckpointImage(port, memory());
      source.capture(live);
      drain(source.absorb());
      const then = live.slice();
      const kept = source.keepWhole();
      const pieces = kept.pieces();
      const said: Uint8Array[] = [];
      for (let i = 0; i < early; i++) {
        const next = pieces.next();
        if (!next.done) said.push(next.value);
      }
      for (const writes of checkpoints) {
        for (const one of writes) write(live, one);
        source.capture(live);
        drain(source.absorb());
      }
      said.push(...pieces);
      kept.close();
      const rebuilt = new Uint8Array(live.length);
      const delta = Buffer.concat(said);
      expect(delta.length).toBe(kept.bytes);
      expect(applyDelta(rebuilt, delta)).toBeUndefined();
      expect(Buffer.compare(rebuilt, then)).toBe(0);
    }), { numRuns: 40 });
  });

  it('is primed from an image that is written meanwhile, and the capture finds the rest', () => {
    fc.assert(fc.property(fc.array(anyWrite, { minLength: 1, maxLength: 20 }), (writes) => {
      const live = new Uint8Array(64 * BLOCK_BYTES).map((_, i) => (i * 7) & 0xff);
      const source = new CheckpointImage(port, memory());
      const pending = [...writes];
      for (const _step of source.prime(live)) {
        const next = pending.pop();
        if (next) write(live, next);
      }
      for (const one of pending) write(live, one);
      expect(source.capture(live)).toBeLessThanOrEqual(live.length);
      drain(source.absorb());
      expect(source.stateDigest(REST, sha256)).toBe(digestOf(live));
      const rebuilt = new Uint8Array(live.length);
      expect(applyDelta(rebuilt, joined(source.whole()))).toBeUndefined();
      expect(Buffer.compare(rebuilt, live)).toBe(0);
    }), { numRuns: 30 });
  });

  it('looks only where the runtime says that something was written', () => {
    const live = new Uint8Array(8 * BLOCK_BYTES);
    const source = new CheckpointImage(port, memory());
    source.capture(live);
    drain(source.absorb());
    live.fill(1, 0, 10);
    live.fill(2, 5 * BLOCK_BYTES, 5 * BLOCK_BYTES + 10);
    expect(source.capture(live, Uint8Array.of(0b0010_0000))).toBe(BLOCK_BYTES);
    drain(source.absorb());
    expect(source.capture(live)).toBe(BLOCK_BYTES); // what was not told is found by whoever looks everywhere
  });

  it('grows with the image', () => {
    const source = new CheckpointImage(port, memory());
    source.capture(new Uint8Array(4 * BLOCK_BYTES).fill(3));
    drain(source.absorb());
    const larger = new Uint8Array(9 * BLOCK_BYTES).fill(3, 0, 4 * BLOCK_BYTES);
    larger[8 * BLOCK_BYTES] = 1;
    expect(source.capture(larger)).toBe(BLOCK_BYTES);
    const rebuilt = new Uint8Array(9 * BLOCK_BYTES).fill(3, 0, 4 * BLOCK_BYTES);
    expect(applyDelta(rebuilt, joined(source.delta()))).toBeUndefined();
    expect(Buffer.compare(rebuilt, larger)).toBe(0);
    expect(source.stateDigest(REST, sha256)).toBe(digestOf(larger));
  });

  it('does not take a second capture for the first', () => {
    const source = new CheckpointImage(port, memory());
    source.capture(new Uint8Array(BLOCK_BYTES).fill(1));
    expect(() => source.capture(new Uint8Array(BLOCK_BYTES))).toThrow('not taken over');
  });
});
