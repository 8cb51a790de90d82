/**
 * What the rules look at: the files that git keeps or would keep (so nothing built), and the packages of the workspace.
 * A folder without git is walked, without node_modules and dist; fixtures are such folders.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, matchesGlob, posix } from 'node:path';
import { SourceFile } from './source-file.ts';

/** Rooms, as `layer:` tags name them. */
export type Layer = 'app' | 'shell' | 'adapter' | 'protocol' | 'wire' | 'core' | 'client' | 'local' | 'sdk' | 'testing' | 'example';
export const LAYERS: readonly Layer[] = ['app', 'shell', 'adapter', 'protocol', 'wire', 'core', 'client', 'local', 'sdk', 'testing', 'example'];

/** `source` is what the package's tsconfig compiles and ships; `dev` is everything beside it: specs, benches, fixtures, scripts. */
export type Use = 'source' | 'dev';

export interface Package {
  readonly name: string;
  /** From the workspace root, with slashes: `libs/core/kernel`. */
  readonly folder: string;
  readonly tags: readonly string[];
  readonly layer: Layer | undefined;
  /** Subpaths that others may import: `.`, `./bundle`. */
  readonly doors: readonly string[];
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
  readonly tsconfig: Tsconfig | undefined;
}

interface Tsconfig {
  readonly extends: string | undefined;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Folders of the referenced projects, from the workspace root. */
  readonly references: readonly string[];
}

const CODE = /\.(ts|mts|mjs|js)$/;

export class Workspace {
  readonly root: string;
  readonly files: readonly string[];
  readonly packages: readonly Package[];
  /** npm packages that the root declares, by the part of package.json that does so. */
  readonly npm: { readonly runtime: ReadonlySet<string>; readonly all: ReadonlySet<string> };
  /** Files that could not be parsed, and why; filled by `sources`. */
  readonly unreadable = new Map<string, string>();
  readonly #sources = new Map<string, SourceFile>();

  constructor(root: string) {
    this.root = root;
    this.files = listFiles(root);
    this.packages = this.files.filter((file) => file.endsWith('/package.json') && !file.includes('/fixtures/')).map((file) => readPackage(root, posix.dirname(file)));
    const own = existsSync(join(root, 'package.json')) ? readJson(join(root, 'package.json')) : {};
    const runtime = [...names(own['dependencies']), ...names(own['optionalDependencies'])];
    this.npm = { runtime: new Set(runtime), all: new Set([...runtime, ...names(own['devDependencies'])]) };
  }

  read(file: string): string {
    return readFileSync(join(this.root, file), 'utf8');
  }

  /** Every file with code, parsed; without those that no parser reads, which are in `unreadable`. */
  sources(): SourceFile[] {
    return this.files.filter((file) => CODE.test(file)).flatMap((file) => {
      try {
        return [this.source(file)];
      } catch (error) {
        this.unreadable.set(file, String(error));
        return [];
      }
    });
  }

  /** @throws the parser's error. */
  source(file: string): SourceFile {
    let source = this.#sources.get(file);
    if (source === undefined) {
      source = new SourceFile(file, this.read(file));
      this.#sources.set(file, source);
    }
    return source;
  }

  /** The files with code of one package, and whether each ships. */
  sourcesOf(one: Package): { readonly source: SourceFile; readonly use: Use }[] {
    const inside = `${one.folder}/`;
    return this.sources().filter(({ path }) => path.startsWith(inside)).map((source) => ({ source, use: useOf(one, source.path.slice(inside.length)) }));
  }

  packageNamed(name: string): Package | undefined {
    return this.packages.find((one) => one.name === name);
  }
}

function useOf(one: Package, file: string): Use {
  const matches = (glob: string): boolean => matchesGlob(file, glob);
  return one.tsconfig !== undefined && one.tsconfig.include.some(matches) && !one.tsconfig.exclude.some(matches) ? 'source' : 'dev';
}

/** Files with a name that holds no surprise for a shell or a glob, which exist, from the root, in order. */
function listFiles(root: string): string[] {
  if (!existsSync(join(root, '.git'))) return walk(root, '').sort();
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  return [...new Set(listed.split('\0'))].filter((file) => file !== '' && statSync(join(root, file), { throwIfNoEntry: false })?.isFile()).sort();
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return entry.name === 'node_modules' || entry.name === 'dist' ? [] : walk(root, path);
  });
}

function readPackage(root: string, folder: string): Package {
  const described = readJson(join(root, folder, 'package.json'));
  const tags = ((described['nx'] as { tags?: readonly string[] } | undefined)?.tags) ?? [];
  const layer = LAYERS.find((one) => tags.includes(`layer:${one}`));
  return {
    name: String(described['name']), folder, tags, layer,
    doors: names(described['exports']),
    dependencies: names(described['dependencies']),
    devDependencies: names(described['devDependencies']),
    tsconfig: readTsconfig(root, folder),
  };
}

/** A project inside the package's own folder, which its tsconfig refers to, counts as part of it. */
function readTsconfig(root: string, folder: string): Tsconfig | undefined {
  const path = join(root, folder, 'tsconfig.json');
  if (!existsSync(path)) return undefined;
  const { extends: base, include = [], exclude = [], references = [] } = readJson(path) as { extends?: string; include?: string[]; exclude?: string[]; references?: { path: string }[] };
  const folders = references.map((one) => posix.join(folder, one.path));
  const isOwn = (one: string): boolean => one.startsWith(`${folder}/`);
  const parts = folders.filter(isOwn).flatMap((part) => {
    const inner = readTsconfig(root, part);
    const within = (globs: readonly string[]): string[] => globs.map((glob) => posix.join(posix.relative(folder, part), glob));
    return inner === undefined ? [] : [{ include: within(inner.include), exclude: within(inner.exclude), references: inner.references }];
  });
  return {
    extends: base,
    include: [...include, ...parts.flatMap((part) => part.include)],
    exclude: [...exclude, ...parts.flatMap((part) => part.exclude)],
    references: [...new Set([...folders, ...parts.flatMap((part) => part.references)])].filter((one) => !isOwn(one)),
  };
}

/** @throws an error that names the file when it is no JSON object. */
function readJson(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${path} cannot be read as JSON (${dirname(path)})`, { cause });
  }
}

const names = (record: unknown): string[] => (typeof record === 'object' && record !== null ? Object.keys(record) : []);
