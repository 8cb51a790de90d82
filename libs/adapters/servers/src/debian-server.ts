/**
 * Link 5: a server program from Debian's packages, unpacked without root into a folder of ours.
 * The program is started once before it counts: a library that it misses is fetched from the same suite, and when the
 * machine's C library is too old for it, that suite's C library is put beside it and the program runs through its own loader.
 */
import { readdir, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { distributionSources, readDistribution, readMachineSources, type AptSource, type Distribution } from './apt-sources.js';
import { PackagesUnavailable, PackageSuite } from './apt-packages.js';
import { lastLine, type Machine } from './machine.js';
import { versionOf, type ServerProgram } from './programs.js';
import { formatVersion, isAtLeast, MINIMUM_VERSIONS } from './version.js';

/** Where the parts of an unpacked program lie, relative to its folder, so that the folder may be moved. */
export interface UnpackedProgram {
  readonly program: string;
  readonly libraryFolders: readonly string[];
  /** The C library's own loader, when the machine's is too old. */
  readonly loader?: string;
  readonly version: string;
  /** As in `Debian packages (sid)`. */
  readonly origin: string;
}

export interface ObtainRequest {
  readonly machine: Machine;
  readonly program: ServerProgram;
  /** Empty folder that becomes the program's place; parts lie under `root`. */
  readonly folder: string;
  /** Folder for indexes and downloads, removed by the caller. */
  readonly scratch: string;
  onProgress(line: string): void;
}

/** The command and environment of a program unpacked in `folder`. */
export function unpackedCommand(folder: string, unpacked: UnpackedProgram): { command: string[]; env: Record<string, string> } {
  const program = join(folder, unpacked.program);
  const libraries = unpacked.libraryFolders.map((name) => join(folder, name)).join(':');
  if (unpacked.loader !== undefined) return { command: [join(folder, unpacked.loader), '--library-path', libraries, program], env: {} };
  return { command: [program], env: libraries === '' ? {} : { LD_LIBRARY_PATH: libraries } };
}

/** @throws PackagesUnavailable with the reason of every suite that was tried. */
export async function obtainFromDebian(request: ObtainRequest): Promise<UnpackedProgram> {
  const { machine, program } = request;
  if ((await machine.run(['apt-get', '--version'])).exitCode !== 0) throw new PackagesUnavailable('no apt-get on this machine');
  const distribution = await readDistribution(machine);
  if (distribution === undefined) throw new PackagesUnavailable('/etc/os-release does not name the distribution');
  const sources = distributionSources(await readMachineSources(machine), distribution);
  if (sources.length === 0) throw new PackagesUnavailable(`the apt sources name no archive of ${distribution.id}`);
  const reasons: string[] = [];
  const attempts = sources.flatMap((source) => suitesToTry(program, source, distribution).map((suite) => ({ source, suite })));
  for (const [index, { source, suite }] of attempts.entries()) {
    const folderName = String(index);
    const folders = { folder: join(request.folder, folderName), scratch: join(request.scratch, folderName) };
    try {
      return await obtainFromSuite({ ...request, ...folders }, { source, suite, distribution, folderName });
    } catch (error) {
      if (!(error instanceof PackagesUnavailable)) throw error;
      reasons.push(error.message);
      await rm(folders.folder, { recursive: true, force: true });
    }
  }
  throw new PackagesUnavailable(reasons.join('; '));
}

function suitesToTry(program: ServerProgram, source: AptSource, distribution: Distribution): string[] {
  const newer = program.newerSuites[distribution.id] ?? [];
  return [...new Set([...newer, distribution.codename ?? source.suites[0]!])];
}

async function obtainFromSuite(request: ObtainRequest, from: { source: AptSource; suite: string; distribution: Distribution; folderName: string }): Promise<UnpackedProgram> {
  const { machine, program, folder, scratch } = request;
  request.onProgress(`${program.program}: asking ${from.distribution.id} ${from.suite}`);
  const suite = await PackageSuite.open(machine, { ...from, folder: scratch });
  const offered = await suite.offeredVersion(program.packages[0]!);
  if (offered === undefined) throw new PackagesUnavailable(`${from.suite}: no package ${program.packages[0]}`);
  const minimum = MINIMUM_VERSIONS[program.name];
  const offeredVersion = versionOf(program, offered);
  if (offeredVersion === undefined || !isAtLeast(offeredVersion, minimum)) {
    throw new PackagesUnavailable(`${from.suite} offers ${offered}, ${formatVersion(minimum)} is needed`);
  }
  request.onProgress(`${program.program}: unpacking ${offered} from ${from.suite}`);
  await suite.unpack(program.packages, folder);
  const parts = await makeStartable(request, suite);
  const inner = (path: string): string => join(from.folderName, path);
  return {
    ...parts, program: inner(parts.program), libraryFolders: parts.libraryFolders.map(inner),
    ...(parts.loader === undefined ? {} : { loader: inner(parts.loader) }), origin: `${from.distribution.id} packages (${from.suite})`,
  };
}

const MAX_ROUNDS = 8;

/** Adds libraries until the program tells its version. @throws PackagesUnavailable */
async function makeStartable(request: ObtainRequest, suite: PackageSuite): Promise<Omit<UnpackedProgram, 'origin'>> {
  const { machine, program, folder } = request;
  const fetched = new Set(program.packages);
  let ownLibc = false;
  let lastWords = '';
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const parts = await findParts(folder, program.program, ownLibc);
    const { command, env } = unpackedCommand(folder, { ...parts, version: '', origin: '' });
    const trial = await machine.run([...command, '--version'], { env });
    const version = trial.exitCode === 0 ? versionOf(program, trial.stdout + trial.stderr) : undefined;
    if (version !== undefined) return { ...parts, version: formatVersion(version) };
    lastWords = lastLine(trial.stderr);
    if (!ownLibc && /version `GLIBC_[\d.]+' not found/.test(trial.stderr)) {
      ownLibc = true;
      request.onProgress(`${program.program}: the C library is too old for it, fetching that of ${suite.suite}`);
      await suite.unpack(['libc6'], folder);
      continue;
    }
    const wanted = await missingPackages(machine, suite, { program, command, env, fetched });
    if (wanted.length === 0) break;
    request.onProgress(`${program.program}: fetching ${wanted.join(' ')}`);
    await suite.unpack(wanted, folder);
    for (const name of wanted) fetched.add(name);
  }
  throw new PackagesUnavailable(`${suite.suite}: the program does not start: ${lastWords}`);
}

async function findParts(folder: string, programName: string, ownLibc: boolean): Promise<{ program: string; libraryFolders: string[]; loader?: string }> {
  const root = await realpath(folder);
  const paths = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory()).map((entry) => relative(root, join(entry.parentPath, entry.name))).sort();
  const program = paths.find((path) => new RegExp(`(^|/)s?bin/${programName}$`).test(path));
  if (program === undefined) throw new PackagesUnavailable(`the package holds no ${programName}`);
  const libraryFolders = [...new Set(paths.filter((path) => /\.so(\.|$)/.test(basename(path)) && !path.startsWith('usr/share/')).map(dirname))];
  if (!ownLibc) return { program, libraryFolders };
  const loader = paths.find((path) => /^ld-linux[\w.-]*\.so\.\d+$/.test(basename(path)));
  if (loader === undefined) throw new PackagesUnavailable('the C library’s package holds no loader');
  return { program, libraryFolders, loader };
}

interface MissingQuery {
  readonly program: ServerProgram;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly fetched: ReadonlySet<string>;
}

/** Packages that hold what the program's loader cannot find; empty when nothing more can be fetched. */
async function missingPackages(machine: Machine, suite: PackageSuite, query: MissingQuery): Promise<string[]> {
  // What ldd does (ld.so(8)), without needing ldd. `--version` is for a static program, which knows no such variable.
  const listing = await machine.run([...query.command, '--version'], { env: { ...query.env, LD_TRACE_LOADED_OBJECTS: '1' } });
  const missing = [...listing.stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!);
  const offered = (await suite.libraryClosure(query.program.packages[0]!)).filter((name) => !query.fetched.has(name));
  const matched = offered.filter((name) => missing.some((soname) => isPackageOf(name, soname)));
  return matched.length > 0 ? matched : offered;
}

/** Debian names a library's package after it: `liblzf.so.1` is in `liblzf1`, `libfoo2.so.0` in `libfoo2-0`, a few end in `t64`. */
export function isPackageOf(packageName: string, soname: string): boolean {
  const match = /^(.+)\.so\.([\w.]+)$/.exec(soname);
  if (match === null) return false;
  const stem = match[1]!.toLowerCase().replaceAll('_', '-');
  return packageName.replace(/t64$/, '') === `${stem}${/\d$/.test(stem) ? '-' : ''}${match[2]}`;
}
