import { objections } from './house.fixture.ts';
import { CODES_FILE, ERRORS_DOC, errorTable, errorsDocument } from './rules/error-table.ts';

const codes = (...names: string[]): string => `export const CODES = {\n${names.map((name) => `  '${name}': { status: 400, meaning: 'It is | ${name}.', remedy: 'Mend it.' },\n`).join('')}} as const satisfies Record<string, object>;\n`;

/** The document for these codes, as `--write-docs` writes it. */
function written(...names: string[]): string {
  let text = '';
  objections({ name: 'writer', protects: 'nothing: it only writes', check: (workspace) => { text = errorsDocument(workspace); return []; } }, { [CODES_FILE]: codes(...names) });
  return text;
}

describe('error-table', () => {
  it('accepts what it writes', () => {
    expect(written('a', 'b')).toContain('| `b` | 400 | It is \\| b. | Mend it. |');
    expect(objections(errorTable, { [CODES_FILE]: codes('a', 'b'), [ERRORS_DOC]: written('a', 'b') })).toEqual([]);
  });
  it('names a code that the document lacks, one too many, and another text', () => {
    expect(objections(errorTable, { [CODES_FILE]: codes('a', 'b'), [ERRORS_DOC]: written('a') })).toEqual([expect.stringContaining('lacks b')]);
    expect(objections(errorTable, { [CODES_FILE]: codes('a'), [ERRORS_DOC]: written('a', 'b') })).toEqual([expect.stringContaining('lists b, which does not exist')]);
    expect(objections(errorTable, { [CODES_FILE]: codes('a'), [ERRORS_DOC]: written('a').replace('Mend it', 'Leave it') })).toEqual([expect.stringContaining('its text differs')]);
    expect(objections(errorTable, { [CODES_FILE]: codes('a') })).toEqual([expect.stringContaining('lacks a')]);
  });
});
