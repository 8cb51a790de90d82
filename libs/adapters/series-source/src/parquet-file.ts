import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { RecordedSeries } from '@godwit/evaluation';
import { findColumns, type ColumnChoice } from './columns.js';
import { bytesOf } from './csv-file.js';
import { TableReader } from './table-reader.js';

const SAMPLE_ROWS = 100;

/** Reads a Parquet file with flat columns (uncompressed or Snappy). A refusal names the file, row and field. */
export async function readParquet(path: string, choice: ColumnChoice): Promise<readonly RecordedSeries[] | Refusal> {
  const bytes = await bytesOf(path);
  if (isRefusal(bytes)) return bytes;
  const table = await tableOf(bytes, path);
  if (isRefusal(table)) return table;
  const { header, rows } = table;
  const columns = findColumns(header, rows.slice(0, SAMPLE_ROWS), choice);
  if (isRefusal(columns)) return { ...columns, reason: `${path}: ${columns.reason}` };
  const reader = new TableReader(path, header, columns, 'row');
  for (const [i, cells] of rows.entries()) {
    const refusal = reader.add({ line: i + 1, cells });
    if (refusal !== undefined) return refusal;
  }
  return reader.finish();
}

async function tableOf(bytes: Buffer, path: string): Promise<{ readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] } | Refusal> {
  const file = new Uint8Array(bytes).buffer;
  try {
    const header = parquetMetadata(file).schema.slice(1).filter(({ num_children: children }) => children === undefined).map(({ name }) => name);
    const records = await parquetReadObjects({ file });
    return { header, rows: records.map((record) => header.map((name) => textOf(record[name]))) };
  } catch (error) {
    return refuse('invalid-field', `${path} cannot be read as Parquet: ${(error as Error).message}`, 'file');
  }
}

/** As a CSV cell would say it; empty for what is missing. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | bigint | boolean);
}
