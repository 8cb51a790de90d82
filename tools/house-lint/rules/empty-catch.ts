import type { Rule } from '../rule.ts';
import { isNode, type Node } from '../source-file.ts';

/** A comment does not fill a catch: whoever ignores a failure does it with a statement, or catches less. */
export const emptyCatch: Rule = {
  name: 'empty-catch',
  protects: 'no failure disappears: no empty catch block, no .catch(() => {})',
  check: (workspace) => workspace.sources().flatMap((source) => source.nodes()
    .filter(([node]) => (node.type === 'CatchClause' && isEmpty(node['body'])) || swallows(node))
    .map(([node]) => ({ file: source.path, line: source.lineOf(node), message: 'an empty catch' }))),
};

const isEmpty = (body: unknown): boolean => isNode(body) && Array.isArray(body['stmts']) && body['stmts'].length === 0;

function swallows(node: Node): boolean {
  const callee = node['callee'];
  if (node.type !== 'CallExpression' || !isNode(callee) || callee.type !== 'MemberExpression' || !isNode(callee['property']) || callee['property']['value'] !== 'catch') return false;
  const [first] = node['arguments'] as readonly { expression: unknown }[];
  return isNode(first?.expression) && isEmpty(first.expression['body']);
}
