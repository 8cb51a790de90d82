/** A source of chance that is seeded, small and saved with the state it serves. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, 2^32). */
  nextUint32(): number;
}

/**
 * xoshiro128** 1.1 (Blackman and Vigna, 2018). State: four 32-bit words, 16 bytes little-endian.
 * Not for secrets.
 */
export class Xoshiro128 implements Rng {
  private constructor(private readonly s: Uint32Array) {}

  /** Seeds through splitmix32, so that close seeds give unrelated streams. */
  static seeded(seed: number): Xoshiro128 {
    const s = new Uint32Array(4);
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      s[i] = (z ^ (z >>> 16)) >>> 0;
    }
    return new Xoshiro128(s);
  }

  /** @throws RangeError unless `bytes` is 16 long and not all zero (the one state that xoshiro cannot leave). */
  static restored(bytes: Uint8Array): Xoshiro128 {
    if (bytes.length !== 16) throw new RangeError(`random state: 16 bytes expected, ${bytes.length} given`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    const s = Uint32Array.from([0, 4, 8, 12], (at) => view.getUint32(at, true));
    if (s.every((word) => word === 0)) throw new RangeError('random state: all zero');
    return new Xoshiro128(s);
  }

  saved(): Uint8Array {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    this.s.forEach((word, i) => view.setUint32(i * 4, word, true));
    return bytes;
  }

  nextUint32(): number {
    const s = this.s;
    const [a, b, c, d] = [s[0]!, s[1]!, s[2]!, s[3]!];
    const times5 = Math.imul(b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const c2 = c ^ a;
    const d2 = d ^ b;
    s[1] = b ^ c2;
    s[0] = a ^ d2;
    s[2] = c2 ^ (b << 9);
    s[3] = (d2 << 11) | (d2 >>> 21);
    return result;
  }

  next(): number {
    return this.nextUint32() / 0x1_0000_0000;
  }
}
