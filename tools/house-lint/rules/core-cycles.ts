import type { Rule } from '../rule.ts';
import { splitSpecifier } from './rooms.ts';

/** Cycles between packages; those between files of one package are oxlint's `import/no-cycle`. */
export const coreCycles: Rule = {
  name: 'core-cycles',
  protects: 'packages form no cycle, so that each can be understood and built after those that it imports',
  check(workspace) {
    const arrows = new Map(workspace.packages.map((one) => [one.name, new Set(workspace.sourcesOf(one)
      .filter(({ use }) => use === 'source')
      .flatMap(({ source }) => source.imports().map(({ specifier }) => splitSpecifier(specifier).name))
      .filter((name) => name !== one.name && workspace.packageNamed(name) !== undefined))]));
    const done = new Set<string>();
    const cycles: string[][] = [];
    const visit = (name: string, path: readonly string[]): void => {
      const back = path.indexOf(name);
      if (back >= 0) { cycles.push([...path.slice(back), name]); return; }
      if (done.has(name)) return;
      for (const next of arrows.get(name) ?? []) visit(next, [...path, name]);
      done.add(name);
    };
    for (const name of arrows.keys()) visit(name, []);
    return cycles.map((cycle) => ({ file: `${workspace.packageNamed(cycle[0]!)!.folder}/package.json`, line: 0, message: `cycle: ${cycle.join(' → ')}` }));
  },
};
