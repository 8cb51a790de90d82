import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import type { Rule, Violation } from '../rule.ts';
import type { ImportSite } from '../source-file.ts';
import type { Layer, Package, Use, Workspace } from '../workspace.ts';

/** The arrows of the house. `*` is every room. */
const ARROWS: Readonly<Record<Layer, readonly Layer[] | '*'>> = {
  app: ['shell', 'adapter', 'protocol', 'wire', 'core'],
  shell: ['wire', 'core'],
  adapter: ['wire', 'core'],
  /** Asynchronous protocol code that reaches the world through ports only: the apps and the simulator run it. */
  protocol: ['core'],
  wire: ['core'],
  core: ['core'],
  client: ['wire'],
  sdk: [],
  local: ['shell', 'client', 'protocol', 'wire', 'core'],
  example: '*',
  testing: '*',
};

/** Doors that stand open for one package besides its room's arrows, and why. */
const EXTRA: Readonly<Record<string, readonly string[]>> = {
  '@godwit/client': ['@godwit/kernel'], // ids and refusals are part of what it answers
  '@godwit/sdk': ['@godwit/kernel'],
  '@godwit/local': ['@godwit/servers', '@godwit/nats'], // it finds and starts NATS and Redis, and registers its devices there
  '@godwit/cli': ['@godwit/client', '@godwit/local'],
  '@godwit/task': ['@godwit/sdk'], // it runs what is written with it
  '@godwit/evaluation': ['@godwit/series-source'], // its bench reads recordings; what ships may not, since that would be a cycle
};

const BUILTIN = new Set(builtinModules);

/** Splits `@scope/name/sub/path` or `name/sub/path` into the package and the door: `.` or `./sub/path`. */
export function splitSpecifier(specifier: string): { readonly name: string; readonly door: string } {
  const parts = specifier.split('/');
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  return { name, door: specifier === name ? '.' : `.${specifier.slice(name.length)}` };
}

export const isInternal = (specifier: string): boolean => specifier.startsWith('.') || specifier.startsWith('#');
export const isBuiltin = (specifier: string): boolean => specifier.startsWith('node:') || BUILTIN.has(specifier);

export const rooms: Rule = {
  name: 'rooms',
  protects: 'what a room may import: app → shell, adapter, protocol, wire, core; shell and adapter → wire, core; wire and protocol → core; core → core',
  check: (workspace) => workspace.packages.flatMap((one) => workspace.sourcesOf(one).flatMap(({ source, use }) => source.imports().flatMap((site) => {
    const message = objection(workspace, one, source.path, use, site);
    return message === undefined ? [] : [{ file: source.path, line: site.line, message } satisfies Violation];
  }))),
};

/** Why this import is not allowed; undefined when it is. */
function objection(workspace: Workspace, from: Package, file: string, use: Use, { specifier, kind }: ImportSite): string | undefined {
  if (specifier.startsWith('.')) return leaves(from, file, specifier) ? `${specifier} leaves the package: import the other package by its name` : undefined;
  if (isInternal(specifier) || isBuiltin(specifier)) return undefined;
  const { name, door } = splitSpecifier(specifier);
  const target = workspace.packageNamed(name);
  if (target === undefined) return name.startsWith('@godwit/') ? `${name} is no package of this workspace` : npmObjection(workspace, from, use, name);
  if (!target.doors.includes(door)) return `${specifier} is no door of ${name} (${target.doors.join(', ') || 'it has none'})`;
  if (kind === 'mention' || mayImport(from, target, use)) return undefined;
  return `${from.layer ?? 'no room'} → ${target.layer ?? 'no room'}: ${from.name} may not import ${name}`;
}

function leaves(from: Package, file: string, specifier: string): boolean {
  return !posix.join(posix.dirname(file), specifier).startsWith(`${from.folder}/`);
}

function npmObjection({ npm }: Workspace, from: Package, use: Use, name: string): string | undefined {
  if (use === 'dev' || from.layer === 'testing') return npm.all.has(name) ? undefined : `${name} is not declared in the root's package.json`;
  if (from.layer === 'core' || from.layer === 'protocol') return `${from.layer} → npm: ${from.name} may not import ${name}`;
  return npm.runtime.has(name) ? undefined : `${name} is not among the root's dependencies${npm.all.has(name) ? ', only among those for development' : ''}`;
}

function mayImport(from: Package, target: Package, use: Use): boolean {
  if (from === target) return true;
  if (use === 'dev' && target.layer === 'testing') return true;
  if (from.layer === undefined || target.layer === undefined) return false;
  if (EXTRA[from.name]?.includes(target.name)) return true;
  const arrows = ARROWS[from.layer];
  return arrows === '*' || arrows.includes(target.layer);
}
