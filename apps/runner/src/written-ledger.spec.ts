import type { LiveImage } from '@godwit/runtime';
import { WrittenLedger } from './written-ledger.js';

/** An image that tells each write once. */
function tracking(): { readonly image: LiveImage; readonly write: (bit: number) => void } {
  let bits = new Uint8Array(1);
  return {
    image: { written: () => { const told = bits; bits = new Uint8Array(1); return told; } } as unknown as LiveImage,
    write: (bit) => { bits[0]! |= 1 << bit; },
  };
}

describe('the ledger of writes', () => {
  it('tells every reader each write, whoever asks first; and "any" at a first look', () => {
    const { image, write } = tracking();
    const ledger = new WrittenLedger(image);
    const [a, b] = [ledger.reader(), ledger.reader()];
    write(0);
    expect([a.take(), b.take()]).toEqual([undefined, undefined]);
    write(1);
    expect(a.take()).toEqual(Uint8Array.of(0b10));
    write(2);
    expect(a.take()).toEqual(Uint8Array.of(0b100));
    expect(b.take()).toEqual(Uint8Array.of(0b110));
    expect(b.take()).toEqual(Uint8Array.of(0));
  });
  it('tells again what was put back, with what came since', () => {
    const { image, write } = tracking();
    const reader = new WrittenLedger(image).reader();
    reader.putBack(reader.take());
    expect(reader.take()).toBeUndefined();
    write(3);
    const bits = reader.take();
    write(4);
    reader.putBack(bits);
    expect(reader.take()).toEqual(Uint8Array.of(0b11000));
  });
  it('says "any" for ever where the runtime does not track', () => {
    const reader = new WrittenLedger(undefined).reader();
    reader.take();
    expect(reader.take()).toBeUndefined();
  });
});
