import type { Rule } from '../rule.ts';

export const toDoReasons: Rule = {
  name: 'to-do-reasons',
  protects: 'a TODO carries its reason and condition: TODO(reason; when)',
  check: (workspace) => workspace.sources().flatMap((source) => source.comments()
    .filter(({ text }) => /\b(TODO|FIXME|XXX)\b(?!\s?\([^)\s][^)]*\))/.test(text))
    .map(({ line }) => ({ file: source.path, line, message: 'a TODO without a reason in parentheses' }))),
};
