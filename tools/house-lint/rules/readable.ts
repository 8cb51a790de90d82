import type { Rule } from '../rule.ts';

/** A file that swc cannot parse runs in no spec, and no other rule sees it. */
export const readable: Rule = {
  name: 'readable',
  protects: 'every file with code can be parsed, so that the other rules have read it',
  check(workspace) {
    workspace.sources();
    return [...workspace.unreadable].map(([file, error]) => {
      const [, what = error] = /x (.+)/.exec(error) ?? [];
      return { file, line: Number(/\[(\d+):/.exec(error)?.[1] ?? 0), message: what };
    });
  },
};
