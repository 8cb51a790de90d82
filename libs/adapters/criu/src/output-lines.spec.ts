import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LONGEST_RECORD_BYTES, OutputLines } from './output-lines.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function cut(pieces: readonly string[]): { records: string[]; unfinished: string } {
  const records: string[] = [];
  const lines = new OutputLines((bytes) => records.push(text(bytes)));
  for (const piece of pieces) lines.take(Buffer.from(piece, 'latin1'));
  return { records, unfinished: text(lines.unfinished) };
}

describe('the records of an output', () => {
  it('are lines, whatever the pieces in which it comes', () => {
    expect(cut(['one\ntw', 'o\n', '\nthr', 'ee'])).toEqual({ records: ['one\n', 'two\n', '\n'], unfinished: 'three' });
  });
  it('are cut at 64 KiB where there is no newline', () => {
    const { records, unfinished } = cut(['x'.repeat(LONGEST_RECORD_BYTES + 7)]);
    expect([records.map((record) => record.length), unfinished.length]).toEqual([[LONGEST_RECORD_BYTES], 7]);
  });
  it('do not depend on the pieces, and lose nothing', () => {
    const output = fc.array(fc.oneof(fc.constantFrom('\n', 'ab', ''), fc.string({ unit: 'binary-ascii', maxLength: 20 })), { maxLength: 30 });
    fc.assert(fc.property(output, (pieces) => {
      const whole = cut([pieces.join('')]);
      expect(cut(pieces)).toEqual(whole);
      expect(whole.records.join('') + whole.unfinished).toBe(pieces.join(''));
    }));
  });
  it('go on from an unfinished line, which is cut only when it is asked for', () => {
    const records: string[] = [];
    const lines = new OutputLines((bytes) => records.push(text(bytes)), Buffer.from('begun, '));
    lines.take(Buffer.from('not ended'));
    expect(records).toEqual([]);
    lines.cut();
    lines.cut();
    expect(records).toEqual(['begun, not ended']);
  });
});
