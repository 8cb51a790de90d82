/**
 * Debian packages without root: a private apt configuration in a folder of ours, signed by the machine's own keyring,
 * `apt-get download`, `dpkg-deb -x`. Nothing is installed, no state of the machine is read or written.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AptSource, Distribution } from './apt-sources.js';
import { lastLine, type Machine } from './machine.js';

const DOWNLOAD_TIMEOUT_MS = 180_000;

/** A suite that could not be used; the chain goes on with the next one. */
export class PackagesUnavailable extends Error {
  override readonly name = 'PackagesUnavailable';
}

/** One suite of one archive, opened through a private apt configuration. */
export class PackageSuite {
  private constructor(private readonly machine: Machine, private readonly folder: string, readonly suite: string) {}

  /** Fetches and verifies the suite's index into `folder`. @throws PackagesUnavailable */
  static async open(machine: Machine, options: { folder: string; source: AptSource; suite: string; distribution: Distribution }): Promise<PackageSuite> {
    const { folder, source, suite, distribution } = options;
    for (const sub of ['state/lists/partial', 'cache/archives/partial', 'packages']) await mkdir(join(folder, sub), { recursive: true });
    await writeFile(join(folder, 'state/status'), '');
    await writeFile(join(folder, 'sources.list'), `${source.uris.map((uri) => sourceLine(source, uri, suite)).join('\n')}\n`);
    await writeFile(join(folder, 'apt.conf'), privateConfiguration(folder, await machineNetworkSettings(machine)));
    const opened = new PackageSuite(machine, folder, suite);
    await opened.apt(['apt-get', 'update']);
    await opened.requireOrigin(distribution);
    return opened;
  }

  /** The version that the suite offers, in Debian's spelling; undefined when it has no such package. */
  async offeredVersion(packageName: string): Promise<string | undefined> {
    const { stdout } = await this.apt(['apt-cache', 'policy', packageName]);
    const candidate = /^\s*Candidate:\s*(\S+)/m.exec(stdout)?.[1];
    return candidate === '(none)' ? undefined : candidate;
  }

  /** Names of the libraries that the package needs, directly or not, without the C library. */
  async libraryClosure(packageName: string): Promise<string[]> {
    const without = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
    const { stdout } = await this.apt(['apt-cache', 'depends', '--recurse', ...without, packageName]);
    return [...new Set(stdout.split('\n').filter((line) => /^lib[\w.+-]+$/.test(line) && line !== 'libc6'))];
  }

  /** Downloads the packages and unpacks them over `root`. @throws PackagesUnavailable */
  async unpack(packageNames: readonly string[], root: string): Promise<void> {
    const packages = join(this.folder, 'packages', String(Date.now()));
    await mkdir(packages, { recursive: true });
    await mkdir(root, { recursive: true });
    await this.apt(['apt-get', 'download', ...packageNames], packages);
    for (const name of await this.machine.listNames(packages)) await this.apt(['dpkg-deb', '-x', join(packages, name), root]);
  }

  private async requireOrigin(distribution: Distribution): Promise<void> {
    const lists = join(this.folder, 'state/lists');
    const index = (await this.machine.listNames(lists)).find((name) => /_(In)?Release$/.test(name));
    const origin = /^Origin:\s*(.+)$/m.exec(index === undefined ? '' : (await this.machine.readText(join(lists, index))) ?? '')?.[1];
    if (origin?.trim().toLowerCase() !== distribution.id) throw new PackagesUnavailable(`${this.suite}: the archive is of ${origin ?? 'unknown origin'}, not of ${distribution.id}`);
  }

  private async apt(command: readonly string[], cwd?: string): Promise<{ stdout: string }> {
    const env = { APT_CONFIG: join(this.folder, 'apt.conf'), DEBIAN_FRONTEND: 'noninteractive' };
    const result = await this.machine.run(command, { env, timeoutMs: DOWNLOAD_TIMEOUT_MS, ...(cwd === undefined ? {} : { cwd }) });
    if (result.exitCode === 0) return result;
    throw new PackagesUnavailable(`${this.suite}: ${command.slice(0, 2).join(' ')} failed: ${lastLine(result.stderr)}`);
  }
}

function sourceLine(source: AptSource, uri: string, suite: string): string {
  const options = [source.keyring === undefined ? '' : `signed-by=${source.keyring}`, source.ignoresAge ? 'check-valid-until=no' : ''];
  const bracket = options.filter((option) => option !== '').join(' ');
  return `deb ${bracket === '' ? '' : `[${bracket}] `}${uri} ${suite} ${source.components.join(' ')}`;
}

/** Proxies and the like, as the machine's administrator set them; its hooks are left out. */
async function machineNetworkSettings(machine: Machine): Promise<string[]> {
  const { stdout } = await machine.run(['apt-config', 'dump']);
  return stdout.split('\n').filter((line) => /^Acquire::(https?|Check-|Proxy-Auto|Force|Retries)[\w:.-]* ".+";$/i.test(line));
}

function privateConfiguration(folder: string, networkSettings: readonly string[]): string {
  const quoted = (path: string): string => JSON.stringify(join(folder, path));
  return [
    'Dir::Etc::main "/dev/null";', 'Dir::Etc::parts "/dev/null";', 'Dir::Etc::sourceparts "/dev/null";', 'Dir::Etc::preferencesparts "/dev/null";',
    'Dir::Etc::preferences "/dev/null";', `Dir::Etc::sourcelist ${quoted('sources.list')};`,
    `Dir::State ${quoted('state')};`, `Dir::State::status ${quoted('state/status')};`, `Dir::Cache ${quoted('cache')};`,
    'APT::Sandbox::User "";', 'Acquire::Languages "none";', ...networkSettings, '',
  ].join('\n');
}
