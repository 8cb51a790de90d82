import { decodePart, decodePartHead, encodePartHead, flatRest, flatSnapshot, PART_HEAD_BYTES, type PartHead } from './index.js';

const LIMITS = { imageBytes: 1 << 20, restBytes: 1 << 16 };
const HEAD: PartHead = { k: 5, parent: 4, form: 'image', imageBytes: 8_192, deltaBytes: 3, restBytes: 2 };
const part = (change: Partial<PartHead> = {}): Uint8Array => Uint8Array.of(...encodePartHead({ ...HEAD, ...change }), 1, 2, 3, 9, 8);

describe('a part of a checkpoint', () => {
  it('comes back as it was', () => {
    expect(decodePart(part(), LIMITS)).toEqual({ head: HEAD, delta: Uint8Array.of(1, 2, 3), rest: Uint8Array.of(9, 8) });
    expect(decodePartHead(part({ form: 'flat', parent: 0 }), LIMITS)).toMatchObject({ form: 'flat', parent: 0 });
  });
  it.each<[string, Uint8Array, string, RegExp]>([
    ['nothing', new Uint8Array(0), 'snapshot-damaged', /shorter than its head/],
    ['something else', new Uint8Array(PART_HEAD_BYTES), 'snapshot-damaged', /GDWC/],
    ['another version', part().fill(7, 4, 5), 'snapshot-damaged', /version 7/],
    ['an unknown form', part().fill(9, 6, 7), 'snapshot-damaged', /form/],
    ['a delta upon itself', part({ parent: 5 }), 'snapshot-damaged', /out of range/],
    ['no number', part({ k: 0, parent: 0 }), 'snapshot-damaged', /out of range/],
    ['half a block', part({ imageBytes: 100 }), 'snapshot-damaged', /image of 100 bytes/],
    ['too large an image', part({ imageBytes: 1 << 21 }), 'payload-too-large', /at most 1048576/],
    ['too large a rest', part({ restBytes: 1 << 20 }), 'payload-too-large', /rest of/],
    ['more delta than an image can have', part({ deltaBytes: 1 << 20 }), 'snapshot-damaged', /a delta of/],
    ['a byte too few', part().subarray(0, PART_HEAD_BYTES + 4), 'snapshot-damaged', /speaks of/],
    ['a byte too many', Uint8Array.of(...part(), 0), 'snapshot-damaged', /speaks of/],
  ])('is refused when it is %s', (_what, bytes, code, reason) => expect(decodePart(bytes, LIMITS)).toMatchObject({ refused: true, code, reason: expect.stringMatching(reason) }));
  it('that is flat has the snapshot in its image', () => {
    const image = Uint8Array.of(1, 2, 3, 0, 0);
    expect(flatSnapshot(image, flatRest(3))).toEqual(Uint8Array.of(1, 2, 3));
    expect(flatSnapshot(image, flatRest(6))).toMatchObject({ refused: true });
    expect(flatSnapshot(image, new Uint8Array(7))).toMatchObject({ refused: true });
  });
});
