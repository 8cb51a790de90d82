import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isRefusal } from '@godwit/kernel';
import { csvRows } from './csv-rows.js';
import { parseCsv, readCsv, readSeries, type ColumnChoice } from './index.js';

const parse = (text: string, choice: ColumnChoice = {}) => {
  const series = parseCsv(text, 'x.csv', choice);
  if (isRefusal(series)) throw new Error(series.reason);
  return series.map(({ entity, column, timesMs, values }) => ({ entity, column, timesMs: [...timesMs], values: [...values] }));
};
const refusal = (text: string, choice: ColumnChoice = {}) => {
  const series = parseCsv(text, 'x.csv', choice);
  if (!isRefusal(series)) throw new Error('it was read');
  return { reason: series.reason, field: series.field };
};

describe('rows of delimited text', () => {
  const rows = (text: string, separator = ',') => [...csvRows(text, separator)].map(({ line, cells }) => [line, ...cells]);

  it('takes quoted cells with separators, doubled quotes and line ends, and counts the lines', () => {
    expect(rows('a,"b,c"\r\n"say ""hi""",2\n"two\nlines",3\n\nlast,"4"')).toEqual([[1, 'a', 'b,c'], [2, 'say "hi"', '2'], [3, 'two\nlines', '3'], [6, 'last', '4']]);
  });
  it('keeps empty cells at the end of a row, quoted or not', () => {
    expect(rows('a,\n"b",\n"c",""\n')).toEqual([[1, 'a', ''], [2, 'b', ''], [3, 'c', '']]);
  });
  it('passes over a byte order mark and over lines without text', () => {
    expect(rows('\uFEFFa,b\n   \n1,2\n')).toEqual([[1, 'a', 'b'], [3, '1', '2']]);
  });
  it('refuses a quote that is never closed and text after one, by line', () => {
    expect(() => rows('a\n"b')).toThrow('line 2: a quote that is never closed');
    expect(() => rows('a\n"b"c')).toThrow('line 2: text after a closing quote');
  });
});

describe('a CSV file', () => {
  it('makes a series of each entity and each column of numbers; labels are no series', () => {
    expect(parse('entity,t,cpu,mem,note\na,0,1,10,x\nb,0,2,,y\na,1,3,30,\n')).toEqual([
      { entity: 'a', column: 'cpu', timesMs: [0, 1_000], values: [1, 3] }, { entity: 'a', column: 'mem', timesMs: [0, 1_000], values: [10, 30] },
      { entity: 'b', column: 'cpu', timesMs: [0], values: [2] },
    ]);
  });
  it.each([
    ['seconds', 't,v\n1700000000,1\n', 1_700_000_000_000], ['milliseconds', 'timestamp,v\n1700000000000,1\n', 1_700_000_000_000], ['microseconds', 'ts,v\n1700000000000000,1\n', 1_700_000_000_000],
    ['a unit in the name', 't_ms,v\n250,1\n', 250], ['ISO 8601 in UTC', 'time,v\n2023-11-14T22:13:20Z,1\n', 1_700_000_000_000], ['ISO 8601 without a zone', 'date,v\n2023-11-14 22:13:20.5,1\n', 1_700_000_000_500],
    ['ISO 8601 with an offset', 'datetime,v\n2023-11-15T00:13:20+0200,1\n', 1_700_000_000_000], ['a date', 'date,v\n2023-11-14,1\n', 1_699_920_000_000],
  ])('knows time in %s', (_form, text, atMs) => {
    expect(parse(text)[0]!.timesMs).toEqual([atMs]);
  });
  it('takes missing samples in their usual spellings, other separators, and rows out of order', () => {
    const [series] = parse('t;v\n2;NaN\n0;1\n1;\n3;NA\n4;5\n');
    expect(series).toEqual({ entity: '', column: 'v', timesMs: [0, 1_000, 2_000, 3_000, 4_000], values: [1, NaN, NaN, NaN, 5] });
  });
  it('takes the columns that are named', () => {
    expect(parse('when,box,a,b\n0,x,1,2\n1,x,3,4\n', { time: 'when', entity: 'box', values: ['b'] })).toEqual([{ entity: 'x', column: 'b', timesMs: [0, 1_000], values: [2, 4] }]);
  });
  it.each([
    ['a word among numbers', 't,v\n0,1\n1,two\n2,3\n', {}, 'x.csv: line 3: "two" is not a finite number (column v)', 'v'],
    ['infinity', 't,v\n0,1\n1,2\n2,Infinity\n', {}, 'x.csv: line 4: "Infinity" is not a finite number (column v)', 'v'],
    ['a bad time', 't,v\n0,1\nnoon,2\n', {}, 'x.csv: column t holds no times', 't'],
    ['a bad time further down', `t,v\n${Array.from({ length: 120 }, (_, i) => `${i},1\n`).join('')}noon,2\n`, {}, 'x.csv: line 122: t: "noon" is not a number', 't'],
    ['a short row', 't,v\n0,1\n1\n', {}, 'x.csv: line 3: row: has 1 cells, the header has 2', 'row'],
    ['no such column', 't,v\n0,1\n', { values: ['w'] }, 'x.csv: there is no column w: the columns are t, v', 'w'],
    ['no time', 'a,b\n0,1\n', {}, 'x.csv: no column looks like the time', 'time'],
    ['labels that were asked for', 't,v,label\n0,1,x\n', { values: ['label'] }, 'x.csv: line 2: "x" is not a finite number', 'label'],
    ['a column twice', 't,v,v\n0,1,2\n', {}, 'x.csv: the header has v twice', 'v'],
    ['no header', '0,1\n1,2\n', {}, 'x.csv: line 1: a header', 'header'],
    ['no rows', 't,v\n', {}, 'x.csv: column t holds no times', 't'],
    ['nothing', '', {}, 'x.csv: the file is empty', 'header'],
    ['an open quote', 't,v\n0,"1\n', {}, 'x.csv: line 2: a quote that is never closed', 'row'],
  ])('refuses %s, with the file, the line and the field', (_what, text, choice: ColumnChoice, reason, field) => {
    const refused = refusal(text, choice);
    expect(refused.reason.slice(0, reason.length)).toBe(reason);
    expect(refused.field).toBe(field);
  });
});

describe('files', () => {
  let folder: string;
  beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'godwit-series-')); });
  afterAll(() => rm(folder, { recursive: true }));
  const text = 't,v\n0,1\n1,2\n';

  it('are read packed and plain, whatever they are called', async () => {
    await writeFile(join(folder, 'plain.csv'), text);
    await writeFile(join(folder, 'packed.bin'), gzipSync(text));
    expect(await readCsv(join(folder, 'packed.bin'), {})).toEqual(await readCsv(join(folder, 'plain.csv'), {}));
    expect(await readSeries(join(folder, 'plain.csv'), { nowMs: 0 })).toHaveLength(1);
  });
  it('are refused when damaged, missing, or a folder', async () => {
    await writeFile(join(folder, 'damaged.csv.gz'), gzipSync(text).subarray(0, 20));
    await writeFile(join(folder, 'damaged.parquet'), 'PAR1 no more PAR1');
    for (const [name, reason] of [['damaged.csv.gz', 'damaged.csv.gz: the gzip data is damaged'], ['none.csv', 'none.csv: no such file'], ['none.parquet', 'none.parquet: no such file'], ['damaged.parquet', 'damaged.parquet cannot be read as Parquet'], ['.', 'is a folder']] as const) {
      expect(await readSeries(join(folder, name), { nowMs: 0 })).toMatchObject({ refused: true, field: 'file', reason: expect.stringContaining(reason) });
    }
  });
});
