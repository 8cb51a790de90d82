/**
 * Which mirror and which keyring the machine itself trusts for its own distribution. Reads one-line `.list` files and
 * deb822 `.sources` files (sources.list(5)); entries of third parties are left aside.
 */
import type { Machine } from './machine.js';

export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A keyring file; absent when the entry names none or carries a key inline. */
  readonly keyring?: string;
  /** True when the entry switches off the check of the index's age, as entries of archived snapshots do. */
  readonly ignoresAge: boolean;
}

/** What `/etc/os-release` says. */
export interface Distribution {
  /** As in `debian`, `ubuntu`. */
  readonly id: string;
  /** As in `bookworm`; absent on a rolling release. */
  readonly codename?: string;
}

const words = (text: string | undefined): string[] => (text ?? '').split(/\s+/).filter((word) => word !== '');

/** Entries of the one-line format: `deb [signed-by=… arch=…] URI SUITE COMPONENT…`. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) continue;
    const options = new Map(words(match[1]).map((option) => option.split('=', 2) as [string, string | undefined]));
    sources.push(source([match[2]!], [match[3]!], words(match[4]), options.get('signed-by'), options.get('check-valid-until')));
  }
  return sources;
}

/** Stanzas of the deb822 format; `Enabled: no` and source-only stanzas are left out. */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  const withoutComments = text.split('\n').filter((line) => !line.startsWith('#')).join('\n');
  for (const stanza of withoutComments.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const match of stanza.matchAll(/^([A-Za-z][\w-]*):((?:.*)(?:\n[ \t].*)*)/gm)) fields.set(match[1]!.toLowerCase(), match[2]!.trim());
    const isOff = /^(no|false|0|off|without|disable)$/i.test(fields.get('enabled') ?? 'yes');
    if (isOff || !words(fields.get('types')).includes('deb')) continue;
    sources.push(source(words(fields.get('uris')), words(fields.get('suites')), words(fields.get('components')),
      fields.get('signed-by'), fields.get('check-valid-until')));
  }
  return sources;
}

function source(uris: string[], suites: string[], components: string[], signedBy?: string, checkValidUntil?: string): AptSource {
  const keyring = words(signedBy?.replaceAll(',', ' ')).find((word) => word.startsWith('/'));
  const isInline = signedBy?.includes('BEGIN PGP') === true;
  const ignoresAge = /^(no|false)$/i.test(checkValidUntil ?? '');
  return keyring === undefined || isInline ? { uris, suites, components, ignoresAge } : { uris, suites, components, keyring, ignoresAge };
}

/** Every enabled binary entry of the machine. */
export async function readMachineSources(machine: Machine): Promise<AptSource[]> {
  const sources = parseOneLineSources((await machine.readText('/etc/apt/sources.list')) ?? '');
  for (const name of await machine.listNames('/etc/apt/sources.list.d')) {
    const text = (await machine.readText(`/etc/apt/sources.list.d/${name}`)) ?? '';
    if (name.endsWith('.list')) sources.push(...parseOneLineSources(text));
    if (name.endsWith('.sources')) sources.push(...parseDeb822Sources(text));
  }
  return sources;
}

export async function readDistribution(machine: Machine): Promise<Distribution | undefined> {
  const fields = new Map<string, string>();
  for (const match of ((await machine.readText('/etc/os-release')) ?? '').matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)) fields.set(match[1]!, match[2]!);
  // Derivatives of Ubuntu (Mint and others) take their packages from Ubuntu's own archive.
  const ubuntu = fields.get('UBUNTU_CODENAME');
  const id = ubuntu === undefined ? fields.get('ID') : 'ubuntu';
  const codename = ubuntu ?? fields.get('VERSION_CODENAME');
  if (id === undefined) return undefined;
  return codename === undefined ? { id } : { id, codename };
}

const ROLLING_SUITES = ['sid', 'unstable', 'testing', 'stable'];

/**
 * The entries that carry the distribution's own archive, likeliest first. Third parties also use the distribution's
 * codename as suite, so the keyring and the path rank the entries, and the caller checks `Origin` in the signed index.
 */
export function distributionSources(sources: readonly AptSource[], distribution: Distribution): AptSource[] {
  const own = distribution.codename === undefined ? ROLLING_SUITES : [distribution.codename];
  const rank = (entry: AptSource): number =>
    (entry.keyring?.includes(`${distribution.id}-archive`) === true ? 2 : entry.keyring === undefined ? 1 : 0)
    + (entry.uris.some((uri) => new RegExp(`/${distribution.id}/?$`).test(uri)) ? 1 : 0);
  return sources
    .filter((entry) => entry.components.includes('main') && entry.suites.some((suite) => own.includes(suite)))
    .filter((entry) => entry.uris.some((uri) => !uri.startsWith('cdrom:')))
    .sort((a, b) => rank(b) - rank(a));
}
