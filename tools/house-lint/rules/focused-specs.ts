import type { Rule } from '../rule.ts';
import { isNode, type Node } from '../source-file.ts';

const RUNNERS = new Set(['describe', 'it', 'test']);
const OFF = new Set(['only', 'skip', 'todo', 'failing']);
const OFF_BY_NAME = new Set(['fit', 'xit', 'fdescribe', 'xdescribe', 'xtest']);

/**
 * Bound or not: a spec may import `it` from `@jest/globals`. `(lacking === undefined ? describe : describe.skip)` may stand:
 * what this machine cannot show is reported as skipped, and shown elsewhere.
 */
export const focusedSpecs: Rule = {
  name: 'focused-specs',
  protects: 'every spec that is written is run: no .only, no .skip',
  check: (workspace) => workspace.sources().filter(({ path }) => path.endsWith('.spec.ts')).flatMap((source) => source.nodes().flatMap(([node, parents]) => {
    const off = node.type === 'Identifier' ? offBy(String(node['value']), parents) : undefined;
    return off === undefined ? [] : [{ file: source.path, line: source.lineOf(node), message: `${off} keeps specs from running` }];
  })),
};

function offBy(name: string, parents: readonly Node[]): string | undefined {
  const [outer, parent] = parents.slice(-2);
  if (OFF_BY_NAME.has(name)) return name;
  if (!RUNNERS.has(name) || parent?.type !== 'MemberExpression' || !isNode(parent['property'])) return undefined;
  const member = String(parent['property']['value']);
  const depends = member === 'skip' && outer?.type === 'ConditionalExpression';
  return OFF.has(member) && !depends ? `${name}.${member}` : undefined;
}
