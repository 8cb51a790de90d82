import type { Rule } from '../rule.ts';
import { isNode, type Node } from '../source-file.ts';

const isAny = (value: unknown): boolean => isNode(value) && value.type === 'TsKeywordType' && value['kind'] === 'any';
const isCast = (node: Node): boolean => (node.type === 'TsAsExpression' || node.type === 'TsTypeAssertion') && isAny(node['typeAnnotation']);

export const typeEscapes: Rule = {
  name: 'type-escapes',
  protects: 'the compiler is listened to: no cast to any, no comment that silences it',
  check: (workspace) => workspace.sources().flatMap((source) => [
    ...source.nodes().filter(([node]) => isCast(node)).map(([node]) => ({ file: source.path, line: source.lineOf(node), message: 'casts to any' })),
    ...source.comments().filter(({ text }) => /^\/[/*]+\s*@ts-(ignore|nocheck)\b/.test(text)).map(({ line }) => ({ file: source.path, line, message: 'silences the compiler' })),
  ]),
};
