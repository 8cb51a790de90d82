/**
 * Rows of delimited text (RFC 4180): cells may be quoted, quotes are doubled inside, a quoted cell may hold separators and line
 * ends. Lines without any cell text are passed over.
 */
export interface CsvRow {
  /** Line of the file that the row begins on, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

const QUOTE = '"';

/** Comma, semicolon or tab, whichever the first line has most of. */
export function separatorOf(text: string): string {
  const end = text.indexOf('\n');
  const header = end < 0 ? text : text.slice(0, end);
  const counts = [',', ';', '\t'].map((separator) => ({ separator, count: header.split(separator).length }));
  return counts.reduce((best, one) => (one.count > best.count ? one : best)).separator;
}

/** @throws SyntaxError with a line number, for a quote that is never closed or that text follows. */
export function* csvRows(text: string, separator: string): Generator<CsvRow> {
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const lineEnd = text.indexOf('\n', at);
    const end = lineEnd < 0 ? text.length : lineEnd;
    const plain = text.slice(at, text.charCodeAt(end - 1) === 13 ? Math.max(at, end - 1) : end);
    if (!plain.includes(QUOTE)) {
      if (plain.trim() !== '') yield { line, cells: plain.split(separator) };
      at = end + 1;
      line++;
      continue;
    }
    const row = quotedRow(text, at, separator, line);
    yield { line, cells: row.cells };
    at = row.end;
    line = row.nextLine;
  }
}

/** A row that has quotes, cell by cell. */
function quotedRow(text: string, from: number, separator: string, firstLine: number): { readonly cells: string[]; readonly end: number; readonly nextLine: number } {
  const cells: string[] = [];
  let at = from;
  let line = firstLine;
  for (;;) {
    let cell = '';
    if (text[at] === QUOTE) {
      const closed = quotedCell(text, at, line);
      cell = closed.cell;
      at = closed.end;
      line += closed.lineEnds;
    } else {
      const begun = at;
      while (at < text.length && text[at] !== separator && text[at] !== '\n') at++;
      cell = text.slice(begun, at).replace(/\r$/, '');
    }
    if (text[at] === '\r' && (text[at + 1] === '\n' || at + 1 === text.length)) at++;
    cells.push(cell);
    if (at >= text.length || text[at] === '\n') return { cells, end: at + 1, nextLine: line + 1 };
    if (text[at] !== separator) throw new SyntaxError(`line ${line}: text after a closing quote`);
    at++;
  }
}

function quotedCell(text: string, from: number, line: number): { readonly cell: string; readonly end: number; readonly lineEnds: number } {
  let cell = '';
  let at = from + 1;
  for (;;) {
    const quote = text.indexOf(QUOTE, at);
    if (quote < 0) throw new SyntaxError(`line ${line}: a quote that is never closed`);
    cell += text.slice(at, quote);
    if (text[quote + 1] !== QUOTE) return { cell, end: quote + 1, lineEnds: cell.split('\n').length - 1 };
    cell += QUOTE;
    at = quote + 2;
  }
}
