/** Tables without lines: a heading, columns that are as wide as they need to be, two spaces between them. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  /** Figures stand to the right. */
  readonly right?: boolean;
}

// Control characters of other people's text would move the cursor.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
export const oneLine = (text: string): string => text.replace(CONTROL, ' ');

export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], style: { readonly dim: (text: string) => string } = { dim: (text) => text }): string {
  const cells = rows.map((row) => columns.map(({ cell }) => oneLine(cell(row))));
  const widths = columns.map(({ heading }, i) => Math.max(heading.length, ...cells.map((row) => row[i]!.length)));
  const line = (texts: readonly string[]): string =>
    texts.map((text, i) => (columns[i]!.right ? text.padStart(widths[i]!) : i === columns.length - 1 ? text : text.padEnd(widths[i]!))).join('  ').trimEnd();
  return [style.dim(line(columns.map(({ heading }) => heading))), ...cells.map(line)].join('\n');
}
