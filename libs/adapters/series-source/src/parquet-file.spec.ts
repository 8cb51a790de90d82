import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readParquet } from './index.js';

/** Thrift's compact protocol, as much of it as a small Parquet file needs. */
type Field = readonly [id: number, value: Value];
type Value = { readonly i32: number } | { readonly i64: number } | { readonly text: string } | { readonly struct: readonly Field[] } | { readonly list: readonly Value[] };

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let left = value;
  while (left > 127n) {
    bytes.push(Number(left & 127n) | 128);
    left >>= 7n;
  }
  return [...bytes, Number(left)];
}
const codeOf = (value: Value): number => ('i32' in value ? 5 : 'i64' in value ? 6 : 'text' in value ? 8 : 'list' in value ? 9 : 12);
function encode(value: Value): number[] {
  if ('i32' in value) return varint(BigInt(value.i32) * 2n);
  if ('i64' in value) return varint(BigInt(value.i64) * 2n);
  if ('text' in value) return [...varint(BigInt(value.text.length)), ...Buffer.from(value.text)];
  if ('list' in value) return [(value.list.length << 4) | codeOf(value.list[0]!), ...value.list.flatMap(encode)];
  let before = 0;
  return [...value.struct.flatMap(([id, inner]) => {
    const header = ((id - before) << 4) | codeOf(inner);
    before = id;
    return [header, ...encode(inner)];
  }), 0];
}

interface ColumnOf { readonly name: string; readonly type: number; readonly converted?: number; readonly plain: Buffer }
const doubles = (name: string, values: readonly number[]): ColumnOf => ({ name, type: 5, plain: Buffer.concat(values.map((value) => { const bytes = Buffer.alloc(8); bytes.writeDoubleLE(value); return bytes; })) });
const stamps = (name: string, valuesMs: readonly number[]): ColumnOf => ({ name, type: 2, converted: 9, plain: Buffer.concat(valuesMs.map((value) => { const bytes = Buffer.alloc(8); bytes.writeBigInt64LE(BigInt(value)); return bytes; })) });
const texts = (name: string, values: readonly string[]): ColumnOf => ({ name, type: 6, converted: 0, plain: Buffer.concat(values.map((value) => { const bytes = Buffer.alloc(4 + value.length); bytes.writeUInt32LE(value.length); bytes.write(value, 4); return bytes; })) });

/** A file of one row group with required columns, PLAIN and uncompressed (parquet-format 2.10). */
function parquet(rows: number, columns: readonly ColumnOf[]): Buffer {
  const parts: Buffer[] = [Buffer.from('PAR1')];
  let at = 4;
  const chunks = columns.map(({ name, type, plain }): Value => {
    const page = Buffer.from(encode({ struct: [[1, { i32: 0 }], [2, { i32: plain.length }], [3, { i32: plain.length }], [5, { struct: [[1, { i32: rows }], [2, { i32: 0 }], [3, { i32: 3 }], [4, { i32: 3 }]] }]] }));
    const [offset, bytes] = [at, page.length + plain.length];
    parts.push(page, plain);
    at += bytes;
    return { struct: [[2, { i64: offset }], [3, { struct: [[1, { i32: type }], [2, { list: [{ i32: 0 }] }], [3, { list: [{ text: name }] }], [4, { i32: 0 }], [5, { i64: rows }], [6, { i64: bytes }], [7, { i64: bytes }], [9, { i64: offset }]] }]] };
  });
  const schema: Value[] = [{ struct: [[4, { text: 'schema' }], [5, { i32: columns.length }]] }, ...columns.map(({ name, type, converted }): Value => ({ struct: [[1, { i32: type }], [3, { i32: 0 }], [4, { text: name }], ...(converted === undefined ? [] : [[6, { i32: converted }] as const])] }))];
  const footer = Buffer.from(encode({ struct: [[1, { i32: 1 }], [2, { list: schema }], [3, { i64: rows }], [4, { list: [{ struct: [[1, { list: chunks }], [2, { i64: at }], [3, { i64: rows }]] }] }]] }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([...parts, footer, length, Buffer.from('PAR1')]);
}

describe('a Parquet file', () => {
  let folder: string;
  beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'godwit-parquet-')); });
  afterAll(() => rm(folder, { recursive: true }));
  const write = async (file: Buffer): Promise<string> => {
    const path = join(folder, 'x.parquet');
    await writeFile(path, file);
    return path;
  };

  it('is read like a CSV file: time stamps, entities, columns of numbers', async () => {
    const path = await write(parquet(3, [texts('host', ['a', 'b', 'a']), stamps('time', [1_700_000_000_000, 1_700_000_000_000, 1_700_000_001_500]), doubles('cpu', [0.5, NaN, 0.75]), doubles('mem', [1, 2, 3])]));
    expect(await readParquet(path, {})).toEqual([
      { entity: 'a', column: 'cpu', timesMs: Float64Array.of(1_700_000_000_000, 1_700_000_001_500), values: Float64Array.of(0.5, 0.75) },
      { entity: 'a', column: 'mem', timesMs: Float64Array.of(1_700_000_000_000, 1_700_000_001_500), values: Float64Array.of(1, 3) },
      { entity: 'b', column: 'mem', timesMs: Float64Array.of(1_700_000_000_000), values: Float64Array.of(2) },
    ]);
  });
  it('is refused with the row and the field', async () => {
    const path = await write(parquet(2, [doubles('t', [0, 1]), doubles('v', [1, Infinity])]));
    expect(await readParquet(path, { values: ['v'] })).toMatchObject({ refused: true, field: 'v', reason: `${path}: row 2: "Infinity" is not a finite number (column v)` });
    expect(await readParquet(path, { time: 'when' })).toMatchObject({ refused: true, field: 'when' });
  });
});
