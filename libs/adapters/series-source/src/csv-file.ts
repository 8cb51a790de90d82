import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { RecordedSeries } from '@godwit/evaluation';
import { findColumns, type ColumnChoice } from './columns.js';
import { csvRows, separatorOf, type CsvRow } from './csv-rows.js';
import { TableReader } from './table-reader.js';

/** Text of a file at most, after unpacking: what one string holds. */
const MOST_TEXT_BYTES = 500_000_000;
/** Rows that columns are told by. */
const SAMPLE_ROWS = 100;

/** Reads a CSV file, packed by gzip or not (told by its first bytes, not its name). A refusal names the file, line and field. */
export async function readCsv(path: string, choice: ColumnChoice): Promise<readonly RecordedSeries[] | Refusal> {
  const text = await textOf(path);
  return isRefusal(text) ? text : parseCsv(text, path, choice);
}

/** @param file as messages name it. */
export function parseCsv(text: string, file: string, choice: ColumnChoice): readonly RecordedSeries[] | Refusal {
  try {
    const rows = csvRows(text, separatorOf(text));
    const header = rows.next().value as CsvRow | undefined;
    if (header === undefined) return refuse('invalid-field', `${file}: the file is empty`, 'header');
    if (header.cells.every((cell) => cell.trim() !== '' && Number.isFinite(Number(cell)))) return refuse('invalid-field', `${file}: line ${header.line}: a header with the columns' names is expected, these are numbers`, 'header');
    const sample: CsvRow[] = [];
    for (let next = rows.next(); !next.done; next = rows.next()) if (sample.push(next.value) === SAMPLE_ROWS) break;
    const columns = findColumns(header.cells, sample.map(({ cells }) => cells), choice);
    if (isRefusal(columns)) return { ...columns, reason: `${file}: ${columns.reason}` };
    const reader = new TableReader(file, header.cells, columns);
    for (const part of [sample, rows]) {
      for (const row of part) {
        const refusal = reader.add(row);
        if (refusal !== undefined) return refusal;
      }
    }
    return reader.finish();
  } catch (error) {
    if (error instanceof SyntaxError) return refuse('invalid-field', `${file}: ${error.message}`, 'row');
    throw error;
  }
}

async function textOf(path: string): Promise<string | Refusal> {
  const bytes = await bytesOf(path);
  if (isRefusal(bytes)) return bytes;
  const tooLong = refuse('payload-too-large', `${path}: more than ${MOST_TEXT_BYTES / 1e6} MB of text; evaluate a part of it`, 'file');
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.length > MOST_TEXT_BYTES ? tooLong : bytes.toString('utf8');
  try {
    return (await promisify(gunzip)(bytes, { maxOutputLength: MOST_TEXT_BYTES })).toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return tooLong;
    return refuse('invalid-field', `${path}: the gzip data is damaged (${(error as Error).message})`, 'file');
  }
}

/** The bytes of a file; a refusal for one that is not there or cannot be read. */
export async function bytesOf(path: string): Promise<Buffer | Refusal> {
  try {
    await using file = await open(path, 'r');
    if ((await file.stat()).isDirectory()) return refuse('invalid-field', `${path} is a folder, a file is expected`, 'file');
    return await file.readFile();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return refuse(code === 'ENOENT' ? 'not-found' : 'invalid-field', code === 'ENOENT' ? `${path}: no such file` : `${path} cannot be read: ${message}`, 'file');
  }
}
