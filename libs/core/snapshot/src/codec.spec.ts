import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { Xoshiro128, isRefusal, type Sha256, type Sha256Of, type ThreadId } from '@godwit/kernel';
import { CHAIN_START, chainOutput, decodeSnapshot, encodeSnapshot, type ThreadOutput, type ThreadSnapshot, type Utf8 } from './index.js';

const sha256: Sha256Of = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex') as Sha256;
const utf8: Utf8 = { encode: (text) => new TextEncoder().encode(text), decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
const join = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
const encode = (snapshot: ThreadSnapshot): Uint8Array => join(encodeSnapshot(snapshot, utf8));

const anyId = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
const anyBytes = fc.uint8Array({ maxLength: 40 });
const anyMessage = fc.record({ kind: fc.stringMatching(/^[a-zA-Z0-9._-]{0,64}$/), payload: anyBytes });
const anyOutput = fc.record({ causedBySeq: fc.nat(), originMs: fc.double({ min: 0.5, max: 1e13, noNaN: true }), messages: fc.array(anyMessage, { maxLength: 3 }), code: fc.option(fc.integer(), { nil: undefined }) });
const anySnapshot: fc.Arbitrary<ThreadSnapshot> = fc.record({
  thread: anyId, runtime: fc.constantFrom('wasm' as const, 'task' as const, 'process' as const), program: anyBytes.map((b) => sha256(b)), cursorSeq: fc.maxSafeNat(), firstN: fc.integer({ min: 1, max: 1e9 }),
  clock: fc.record({ recordMs: fc.double({ min: 1, max: 1e13, noNaN: true }), polls: fc.maxSafeNat() }), seed: fc.nat(), outputs: fc.array(anyOutput, { maxLength: 3 }),
  sections: fc.array(fc.record({ name: fc.string({ unit: 'grapheme', maxLength: 12 }), bytes: anyBytes }), { maxLength: 4 }),
}).map(({ thread, firstN, seed, outputs, ...rest }) => {
  let hash = CHAIN_START;
  const pendingOutputs = outputs.map(({ code, ...output }, i): ThreadOutput => {
    const next = chainOutput(hash, { n: firstN + i, ...output, ...(code === undefined ? {} : { exit: { code } }) }, sha256);
    hash = next.hash;
    return next;
  });
  return { ...rest, thread: thread as ThreadId, outN: firstN + outputs.length - 1, chainHash: hash, random: Xoshiro128.seeded(seed).saved(), pendingOutputs };
});

const first = chainOutput(CHAIN_START, { n: 1, causedBySeq: 3, originMs: 4.5, messages: [{ kind: 'k', payload: Uint8Array.of(1, 2, 3) }], exit: { code: 7 } }, sha256);
const small: ThreadSnapshot = {
  thread: 't-1' as ThreadId, runtime: 'wasm', program: 'a'.repeat(64) as Sha256, cursorSeq: 12, outN: 1, chainHash: first.hash, clock: { recordMs: 1_234.5, polls: 6 },
  random: Xoshiro128.seeded(1).saved(), pendingOutputs: [first], sections: [{ name: 'memory', bytes: Uint8Array.of(9, 8, 7, 6) }, { name: 'empty', bytes: new Uint8Array(0) }],
};
const plain = (snapshot: ThreadSnapshot): unknown => JSON.parse(JSON.stringify(snapshot, (_key, value: unknown) => (value instanceof Uint8Array ? { bytes: [...value] } : value)));

describe('a snapshot', () => {
  it('comes back as it was', () => {
    fc.assert(fc.property(anySnapshot, (snapshot) => {
      const back = decodeSnapshot(encode(snapshot), utf8);
      expect(isRefusal(back) ? back : plain(back)).toEqual(plain(snapshot));
    }), { numRuns: 200 });
  });
  it('encodes to the same bytes wherever its parts lie, hence to the same digest (S3)', () => {
    fc.assert(fc.property(anySnapshot, (snapshot) => {
      const bytes = encode(snapshot);
      const padded = Uint8Array.from([0, 0, 0, ...bytes, 0]);
      const back = decodeSnapshot(padded.subarray(3, 3 + bytes.length), utf8);
      if (isRefusal(back)) throw new Error(back.reason);
      const { thread, runtime, ...rest } = back;
      // Other order of keys, other buffers.
      expect(sha256(...encodeSnapshot({ ...rest, runtime, thread }, utf8))).toBe(sha256(bytes));
    }), { numRuns: 100 });
  });
  it('has another digest for every other content', () => {
    fc.assert(fc.property(anySnapshot, anySnapshot, (a, b) => {
      expect(sha256(...encodeSnapshot(a, utf8)) === sha256(...encodeSnapshot(b, utf8))).toBe(JSON.stringify(plain(a)) === JSON.stringify(plain(b)));
    }), { numRuns: 100 });
  });
  it('hands out sections without copying them', () => {
    const bytes = encode(small);
    const back = decodeSnapshot(bytes, utf8);
    if (isRefusal(back)) throw new Error(back.reason);
    expect(back.sections[0]!.bytes.buffer).toBe(bytes.buffer);
  });
});

describe('damaged bytes', () => {
  const bytes = encode(small);
  const damaged = { refused: true, code: 'snapshot-damaged', reason: expect.stringMatching(/^snapshot: /) };
  it('cut off anywhere are refused', () => {
    for (let length = 0; length < bytes.length; length++) expect(decodeSnapshot(bytes.subarray(0, length), utf8)).toMatchObject(damaged);
  });
  it('with something behind them are refused', () => expect(decodeSnapshot(join([bytes, Uint8Array.of(0)]), utf8)).toMatchObject(damaged));
  it('with one bit flipped are refused, or are plainly another snapshot; nothing is thrown, nothing is taken for the same', () => {
    let accepted = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const back = decodeSnapshot(flipped, utf8);
      if (isRefusal(back)) {
        expect(back).toMatchObject(damaged);
        continue;
      }
      accepted++;
      expect(plain(back)).not.toEqual(plain(small));
      expect(sha256(flipped)).not.toBe(sha256(bytes));
      // It is valid: it can be encoded and read again.
      expect(plain(decodeSnapshot(encode(back), utf8) as ThreadSnapshot)).toEqual(plain(back));
    }
    // At least every bit of the bodies is content.
    expect(accepted).toBeGreaterThanOrEqual((16 + 3 + 4) * 8);
  });
  it('of any kind never throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => expect(decodeSnapshot(noise, utf8)).toMatchObject(damaged)));
    fc.assert(fc.property(fc.json({ maxDepth: 4 }), (json) => expect(decodeSnapshot(framed(json, new Uint8Array(0)), utf8)).toMatchObject(damaged)));
  });

  /** A frame that is in order around any header. */
  function framed(header: string, body: Uint8Array): Uint8Array {
    const text = utf8.encode(header);
    const prefix = Uint8Array.from(bytes.subarray(0, 12));
    new DataView(prefix.buffer).setUint32(8, text.length, true);
    return join([prefix, text, body]);
  }
  const headerBytes = new DataView(bytes.buffer).getUint32(8, true);
  const header = JSON.parse(utf8.decode(bytes.subarray(12, 12 + headerBytes))) as Record<string, unknown>;
  const body = bytes.subarray(12 + headerBytes);
  const output = (header['outputs'] as Record<string, unknown>[])[0]!;
  it('are told from good ones by this very frame', () => expect(isRefusal(decodeSnapshot(framed(JSON.stringify(header), body), utf8))).toBe(false));
  it.each<[string, Record<string, unknown>]>([
    ['thread', { thread: 'T!' }], ['runtime', { runtime: 'jvm' }], ['program', { program: 'A'.repeat(64) }], ['chainHash', { chainHash: 'x' }], ['cursorSeq', { cursorSeq: -1 }], ['cursorSeq', { cursorSeq: 1.5 }],
    ['polls', { polls: '6' }], ['randomBytes', { randomBytes: 15 }], ['recordMs', { recordMs: null }], ['outputs', { outputs: {} }], ['outputs', { outputs: [{ ...output, n: 2 }] }],
    ['outputs', { outN: 0, outputs: [{ ...output, n: 0 }] }], ['outputs', { outputs: [{ ...output, exit: '0' }] }], ['outputs', { outputs: [{ ...output, messages: [['k\n', 3]] }] }], ['outputs', { outputs: [null] }],
    ['sections', { sections: [['memory', -4]] }], ['sections', { sections: [['memory', 1e300]] }], ['sections', { sections: 'none' }],
  ])('with a bad header field %s are refused by its name (%j)', (field, change) => {
    expect(decodeSnapshot(framed(JSON.stringify({ ...header, ...change }), body), utf8)).toMatchObject({ ...damaged, field });
  });
  it.each([['more', 5], ['less', 3], ['far more', Number.MAX_SAFE_INTEGER]])('whose sizes claim %s than is there are refused before anything is taken', (_name, size) => {
    expect(decodeSnapshot(framed(JSON.stringify({ ...header, sections: [['memory', size], ['empty', 0]] }), body), utf8)).toMatchObject(damaged);
  });
});

describe('the chain of outputs', () => {
  it('changes with every part of the content and with what came before', () => {
    const output = { n: 1, causedBySeq: 2, originMs: 3, messages: [{ kind: 'ab', payload: Uint8Array.of(1) }] };
    const variants = [
      output, { ...output, n: 2 }, { ...output, causedBySeq: 3 }, { ...output, originMs: 4 }, { ...output, exit: { code: 0 } }, { ...output, messages: [] }, { ...output, messages: [{ kind: 'a', payload: Uint8Array.of(98, 1) }] },
      { ...output, messages: [{ kind: 'ab', payload: new Uint8Array(0) }, { kind: '', payload: Uint8Array.of(1) }] },
    ];
    const hashes = [...variants.map((v) => chainOutput(CHAIN_START, v, sha256).hash), chainOutput(sha256(), output, sha256).hash];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
