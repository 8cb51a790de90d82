import type { Rule } from '../rule.ts';

/** Hosts that nobody has: names reserved for examples and tests (RFC 2606). */
const RESERVED = /https?:\/\/[\w.-]+\.(example|invalid|test)\b/gi;

/** Text that is true on one machine only. (Written so that this file does not contain what it looks for.) */
const TRACES: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a package registry or mirror', /\bhttps?:\/\/[^\s/"'`<>]*(registry|artifactory|nexus|npmjs|mirror)[^\s"'`<>]*/i],
  ['an address that the lockfile keeps', /"resolved":\s*"https?:/],
  ['a path of one machine', /(?<![\w.$}])\/(work|home|Users|root|workspace)\/[\w.-]+/],
  ['a path of one machine', /\b[A-Z]:\\Users\\/],
];
const TEXT = /(\.(ts|mts|mjs|js|json|md|yaml|yml|proto|c|h|sh|toml|txt|html|css)|(^|\/)(\.npmrc|\.gitignore|run|Dockerfile))$/;

export const machineTraces: Rule = {
  name: 'machine-traces',
  protects: 'a clone works anywhere: no registry host, no absolute path of a machine',
  check: (workspace) => workspace.files.filter((file) => TEXT.test(file)).flatMap((file) => workspace.read(file).split('\n').flatMap((text, index) => {
    const real = text.replace(RESERVED, '');
    const found = TRACES.find(([, pattern]) => pattern.test(real));
    return found === undefined ? [] : [{ file, line: index + 1, message: `${found[0]}: ${found[1].exec(real)?.[0]}` }];
  })),
};
