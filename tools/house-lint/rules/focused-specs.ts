import type { Rule } from '../rule.ts';
import { isNode } from '../source-file.ts';

const RUNNERS = new Set(['describe', 'it', 'test']);
const OFF = new Set(['only', 'skip', 'todo', 'failing']);
const OFF_BY_NAME = new Set(['fit', 'xit', 'fdescribe', 'xdescribe', 'xtest']);

export const focusedSpecs: Rule = {
  name: 'focused-specs',
  protects: 'every spec that is written is run: no .only, no .skip',
  check: (workspace) => workspace.sources().flatMap((source) => source.globals().flatMap(({ name, node, parents }) => {
    const parent = parents.at(-1);
    const member = parent?.type === 'MemberExpression' && isNode(parent['property']) ? String(parent['property']['value']) : '';
    if (!(RUNNERS.has(name) && OFF.has(member)) && !OFF_BY_NAME.has(name)) return [];
    return [{ file: source.path, line: source.lineOf(node), message: `${name}${member === '' ? '' : `.${member}`} keeps specs from running` }];
  })),
};
