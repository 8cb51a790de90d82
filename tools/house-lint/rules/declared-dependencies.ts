import type { Rule, Violation } from '../rule.ts';
import type { Package, Workspace } from '../workspace.ts';
import { splitSpecifier } from './rooms.ts';

/** A reference that is missing builds only by luck of order; a superfluous one makes others wait and readers guess. */
export const declaredDependencies: Rule = {
  name: 'declared-dependencies',
  protects: 'package.json and the references of tsconfig.json name exactly the packages that are imported',
  check: (workspace) => workspace.packages.flatMap((one) => [...inPackage(workspace, one), ...inTsconfig(workspace, one)]),
};

interface Imported {
  /** By what ships, with `import` or in a type. */
  readonly compiled: Set<string>;
  /** By what ships, `import.meta.resolve` included. */
  readonly shipped: Set<string>;
  /** By specs, benches, fixtures and scripts. */
  readonly dev: Set<string>;
}

function importedBy(workspace: Workspace, one: Package): Imported {
  const found: Imported = { compiled: new Set(), shipped: new Set(), dev: new Set() };
  for (const { source, use } of workspace.sourcesOf(one)) {
    for (const { specifier, kind } of source.imports()) {
      const { name } = splitSpecifier(specifier);
      if (name === one.name || workspace.packageNamed(name) === undefined) continue;
      (use === 'source' ? found.shipped : found.dev).add(name);
      if (use === 'source' && kind === 'import') found.compiled.add(name);
    }
  }
  return found;
}

function inPackage(workspace: Workspace, one: Package): Violation[] {
  const say = (message: string): Violation => ({ file: `${one.folder}/package.json`, line: 0, message });
  const { shipped, dev } = importedBy(workspace, one);
  const ours = (name: string): boolean => name.startsWith('@godwit/');
  return [
    ...[...shipped].filter((name) => !one.dependencies.includes(name)).map((name) => say(`dependencies lack ${name}`)),
    ...[...dev].filter((name) => !shipped.has(name) && ![...one.dependencies, ...one.devDependencies].includes(name)).map((name) => say(`devDependencies lack ${name}`)),
    ...one.dependencies.filter((name) => ours(name) && !shipped.has(name)).map((name) => say(`dependencies name ${name}, which ${dev.has(name) ? 'only specs import: it belongs to devDependencies' : 'nothing imports'}`)),
    ...one.devDependencies.filter((name) => ours(name) && !dev.has(name)).map((name) => say(`devDependencies name ${name}, which no spec imports`)),
    ...one.devDependencies.filter((name) => one.dependencies.includes(name)).map((name) => say(`${name} is declared twice`)),
  ];
}

function inTsconfig(workspace: Workspace, one: Package): Violation[] {
  const say = (message: string): Violation => ({ file: `${one.folder}/tsconfig.json`, line: 0, message });
  if (one.tsconfig === undefined) return [say('is missing')];
  const { references } = one.tsconfig;
  const needed = [...importedBy(workspace, one).compiled].map((name) => workspace.packageNamed(name)!.folder);
  return [
    ...needed.filter((folder) => !references.includes(folder)).map((folder) => say(`references lack ${folder}`)),
    ...references.filter((folder) => !needed.includes(folder)).map((folder) => say(`references name ${folder}, which nothing that ships imports`)),
  ];
}
