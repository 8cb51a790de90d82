import type { Rule } from '../rule.ts';
import { isNode, type Node, type SourceFile } from '../source-file.ts';
import type { Workspace } from '../workspace.ts';

export const CODES_FILE = 'libs/core/kernel/src/codes.ts';
export const ERRORS_DOC = 'docs/errors.md';

interface ErrorCode {
  readonly code: string;
  readonly status: number;
  readonly meaning: string;
  readonly remedy: string;
}

export const errorTable: Rule = {
  name: 'error-table',
  protects: `${ERRORS_DOC} is the table of the codes, no more and no less`,
  check(workspace) {
    if (!workspace.files.includes(CODES_FILE)) return [];
    const written = workspace.files.includes(ERRORS_DOC) ? workspace.read(ERRORS_DOC) : '';
    if (written === errorsDocument(workspace)) return [];
    const listed = [...written.matchAll(/^\| `([^`]+)` \|/gm)].map(([, code]) => code!);
    const codes = readCodes(workspace.source(CODES_FILE)).map(({ code }) => code);
    const missing = codes.filter((code) => !listed.includes(code));
    const foreign = listed.filter((code) => !codes.includes(code));
    const difference = [...missing.map((code) => `lacks ${code}`), ...foreign.map((code) => `lists ${code}, which does not exist`)].join('; ') || 'its text differs';
    return [{ file: ERRORS_DOC, line: 0, message: `${difference} (node tools/house-lint/main.ts --write-docs)` }];
  },
};

/** What `docs/errors.md` has to contain. */
export function errorsDocument(workspace: Workspace): string {
  const rows = readCodes(workspace.source(CODES_FILE)).map(({ code, status, meaning, remedy }) => `| \`${code}\` | ${status} | ${cell(meaning)} | ${cell(remedy)} |`);
  return [
    '# Errors', '',
    'Every refusal and every failure of Godwit carries one of these codes, on the wire, in HTTP answers and in logs. A refusal also names the field or the rule that it is about.', '',
    `Written from \`${CODES_FILE}\` by \`npm run docs\`; the lint compares them.`, '',
    '| Code | HTTP | It means | What to do |', '| --- | --- | --- | --- |', ...rows, '',
  ].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Reads the object literal, and so needs nothing built. @throws when `CODES` is not a literal of literals. */
function readCodes(source: SourceFile): ErrorCode[] {
  const declared = source.nodesOf('VariableDeclarator').find(({ id }) => isNode(id) && id['value'] === 'CODES');
  const literal = innermost(declared?.['init']);
  if (literal === undefined) throw new Error(`${source.path}: no object literal CODES`);
  return entriesOf(literal).map(([code, value]) => {
    const fields = new Map(entriesOf(innermost(value)).map(([name, field]) => [name, isNode(field) ? field['value'] : undefined]));
    const [status, meaning, remedy] = ['status', 'meaning', 'remedy'].map((name) => fields.get(name));
    if (typeof status !== 'number' || typeof meaning !== 'string' || typeof remedy !== 'string') throw new Error(`${source.path}: ${code} is not { status, meaning, remedy } of literals`);
    return { code, status, meaning, remedy };
  });
}

/** The object below `as const satisfies …`. */
function innermost(value: unknown): Node | undefined {
  let node = value;
  while (isNode(node) && node.type !== 'ObjectExpression') node = node['expression'];
  return isNode(node) ? node : undefined;
}

function entriesOf(object: Node | undefined): (readonly [string, unknown])[] {
  const properties = (object?.['properties'] ?? []) as readonly Node[];
  return properties.map((one) => [isNode(one['key']) ? String(one['key']['value']) : '', one['value']] as const);
}
