import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Forecast } from '@godwit/client';
import { shownLevels, thinned } from './commands/forecast.js';
import { chunks, nameOf } from './commands/run.js';
import { oneLine, table } from './table.js';
import { bytes, duration, percent } from './units.js';

describe('figures', () => {
  it.each([[0, '0 ms'], [0.52, '0.5 ms'], [999, '999 ms'], [1_000, '1 s'], [59_940, '59.9 s'], [59_990, '1 m'], [61_000, '1 m 1 s'], [7_260_000, '2 h 1 m'], [90_000_000, '1 d 1 h'], [undefined, '-']])('%s ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
  it.each([[0, '0 B'], [1_023, '1023 B'], [1_536, '1.5 KiB'], [100 * 1024, '100 KiB'], [3 * 2 ** 30, '3 GiB'], [Number.NaN, '-']])('%s bytes are %s', (count, text) => {
    expect(bytes(count)).toBe(text);
  });
  it('shares are per cent', () => {
    expect([percent(0), percent(0.004), percent(0.5), percent(1)]).toEqual(['0 %', '0.4 %', '50 %', '100 %']);
  });
});

describe('tables', () => {
  it('keep control characters of other people’s text away from the terminal', () => {
    expect(oneLine('a\u001b[2Jb\nc')).toBe('a [2Jb c');
    expect(table([{ v: 'x\ny' }], [{ heading: 'V', cell: ({ v }) => v }])).toBe('V\nx y');
  });
});

describe('input from a file', () => {
  it('is cut behind newlines where there are some, and nothing is lost', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', 'b', '\n') }), fc.integer({ min: 1, max: 9 }), (text, most) => {
      const pieces = [...chunks(Buffer.from(text), most)].map((piece) => Buffer.from(piece).toString());
      expect(pieces.join('')).toBe(text);
      expect(pieces.every((piece) => piece.length > 0 && piece.length <= most)).toBe(true);
      for (const piece of pieces.slice(0, -1)) if (piece.includes('\n')) expect(piece.endsWith('\n')).toBe(true);
    }));
  });
});

describe('names', () => {
  it.each([['a/Word Count.wasm', 'word-count'], ['x.y.mjs', 'x-y'], ['--.js', ''], ['ÄÖ.js', '']])('%s gives %s', (file, name) => {
    expect(nameOf(file)).toBe(name);
  });
});

describe('a long forecast', () => {
  it('is thinned to a dozen rows, evenly, with its last one', () => {
    const forecast = { levels: [0.5], stepMs: 1_000, values: Array.from({ length: 60 }, (_, i) => i) } as unknown as Forecast;
    const rows = thinned(forecast);
    expect(rows).toHaveLength(12);
    expect(rows.at(-1)).toEqual({ inMs: 60_000, quantiles: [59] });
    expect(rows[0]).toEqual({ inMs: 5_000, quantiles: [4] });
  });
  it('shows the levels nearest to p10, p50 and p90', () => {
    expect(shownLevels([0.05, 0.25, 0.5, 0.75, 0.95])).toEqual([0, 2, 4]);
    expect(shownLevels([0.5])).toEqual([0]);
    expect(shownLevels([])).toEqual([]);
  });
});
