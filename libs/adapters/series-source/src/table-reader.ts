/** Turns rows of a table into series: one for each entity and column of numbers. Used for CSV and Parquet alike. */
import { refuse, type Refusal } from '@godwit/kernel';
import type { RecordedSeries } from '@godwit/evaluation';
import { instantMsOf, type TimeForm } from './instants.js';
import type { Columns } from './columns.js';

const MISSING = new Set(['', 'nan', 'na', 'n/a', 'null', 'none', '-']);

/** A row that is to be added; `line` is what a message calls it by. */
export interface TableRow { readonly line: number; readonly cells: readonly string[] }

export class TableReader {
  private readonly entities = new Map<string, Recording>();
  /** Per value column: cells with numbers, cells with other text, and the first of these. */
  private readonly columns: { readonly index: number; readonly name: string; numbers: number; texts: number; firstText: string }[];

  /** @param file as messages name it. @param rowWord what a row is called there: `line` or `row`. */
  constructor(private readonly file: string, private readonly header: readonly string[], private readonly found: Columns, private readonly rowWord = 'line') {
    this.columns = found.values.map((index) => ({ index, name: header[index]!.trim(), numbers: 0, texts: 0, firstText: '' }));
  }

  /** @returns a refusal that names the line and the field. */
  add({ line, cells }: TableRow): Refusal | undefined {
    if (cells.length !== this.header.length) return this.refusal(line, 'row', `has ${cells.length} cells, the header has ${this.header.length}`);
    const timeCell = cells[this.found.time]!;
    const atMs = instantMsOf(this.found.timeForm, timeCell);
    if (!Number.isFinite(atMs)) return this.refusal(line, this.header[this.found.time]!.trim(), `"${timeCell}" is not ${wordsFor(this.found.timeForm)}`);
    const values = this.columns.map((column) => {
      const value = numberOf(cells[column.index]!);
      if (value === undefined) {
        if (column.texts++ === 0) column.firstText = `${this.rowWord} ${line}: "${cells[column.index]!}" is not a finite number`;
        return NaN;
      }
      if (!Number.isNaN(value)) column.numbers++;
      return value;
    });
    this.recordingOf(this.found.entity === undefined ? '' : cells[this.found.entity]!.trim()).add(atMs, values);
    return undefined;
  }

  /** @returns the series, in the order in which entities appeared; or a refusal that names the first bad cell. */
  finish(): readonly RecordedSeries[] | Refusal {
    if (this.entities.size === 0) return refuse('invalid-field', `${this.file}: no rows below the header`, 'row');
    const kept: number[] = [];
    for (const [k, { name, numbers, texts, firstText }] of this.columns.entries()) {
      // A column of labels is nobody's mistake, a word among numbers is.
      if (texts > 0 && (this.found.valuesAskedFor || numbers > texts)) return refuse('invalid-field', `${this.file}: ${firstText} (column ${name})`, name);
      if (numbers > 0 && texts === 0) kept.push(k);
    }
    if (kept.length === 0) return refuse('invalid-field', `${this.file}: no column has numbers beside the time (columns: ${this.header.join(', ')})`, 'value');
    return [...this.entities].flatMap(([entity, recording]) => {
      const order = recording.order();
      const timesMs = Float64Array.from(order, (i) => recording.timesMs[i]!);
      return kept.map((k) => ({ entity, column: this.columns[k]!.name, timesMs, values: Float64Array.from(order, (i) => recording.columns[k]![i]!) }))
        .filter(({ values }) => values.some((value) => !Number.isNaN(value)));
    });
  }

  private recordingOf(entity: string): Recording {
    let recording = this.entities.get(entity);
    if (recording === undefined) this.entities.set(entity, (recording = new Recording(this.columns.length)));
    return recording;
  }

  private refusal(line: number, field: string, what: string): Refusal {
    return refuse('invalid-field', `${this.file}: ${this.rowWord} ${line}: ${field}: ${what}`, field);
  }
}

class Recording {
  readonly timesMs: number[] = [];
  readonly columns: number[][];
  private rising = true;
  constructor(columns: number) {
    this.columns = Array.from({ length: columns }, () => []);
  }

  add(atMs: number, values: readonly number[]): void {
    if (this.timesMs.length > 0 && atMs < this.timesMs[this.timesMs.length - 1]!) this.rising = false;
    this.timesMs.push(atMs);
    for (const [k, value] of values.entries()) this.columns[k]!.push(value);
  }

  /** Indices in order of time; rows of one time keep theirs. */
  order(): readonly number[] {
    const order = this.timesMs.map((_, i) => i);
    return this.rising ? order : order.sort((a, b) => this.timesMs[a]! - this.timesMs[b]!);
  }
}

/** NaN for a missing one; undefined for text. */
function numberOf(cell: string): number | undefined {
  const text = cell.trim();
  if (MISSING.has(text.toLowerCase())) return NaN;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const wordsFor = (form: TimeForm): string => (form.kind === 'iso' ? 'an ISO 8601 time, as the rows before are' : 'a number, as the times before are');
