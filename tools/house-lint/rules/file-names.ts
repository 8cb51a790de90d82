import { posix } from 'node:path';
import type { Rule } from '../rule.ts';

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const CHECKED = /\.(ts|mts|mjs|js|c|json|proto|sh|yaml|yml|md)$/;
/** Names that a tool or a habit older than this house asks for. */
const GIVEN = /^(README|LICENSE|NOTICE|CHANGELOG|CONTRIBUTING|SECURITY|STYLE|DESIGN|GOALS|RECIPE|RELIABILITY|UX|Chart|_[a-z-]+)$/;
const EMPTY_WORDS = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'manager', 'managers']);

export const fileNames: Rule = {
  name: 'file-names',
  protects: 'a file is named after its one concept, in kebab-case; no drawer for what found no name',
  check: ({ files }) => files.filter((file) => !file.includes('/fixtures/recorded/')).flatMap((file) => {
    const parts = file.split('/');
    const [base = '', ...suffixes] = parts.at(-1)!.replace(/^\./, '').split('.');
    const drawers = [...parts.slice(0, -1), base].filter((part) => EMPTY_WORDS.has(part));
    const folders = parts.slice(0, -1).map((folder) => folder.replace(/^\./, ''));
    const odd = CHECKED.test(file) && !GIVEN.test(base) ? [base, ...suffixes, ...folders].filter((part) => !KEBAB.test(part) && !(folders.includes(part) && /^v\d+$/.test(part))) : [];
    return [
      ...drawers.map((name) => ({ file, line: 0, message: `${name} says nothing: name it after what it does` })),
      ...odd.map((name) => ({ file, line: 0, message: `${name} in ${posix.basename(file)}'s path is not kebab-case` })),
    ];
  }),
};
