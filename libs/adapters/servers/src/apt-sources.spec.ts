import { describe, expect, it } from '@jest/globals';
import { distributionSources, parseDeb822Sources, parseOneLineSources, readDistribution, readMachineSources } from './apt-sources.js';
import type { Machine } from './machine.js';

const DEB822 = `Types: deb
# an archived state of the mirror
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: https://third.example/linux/debian
Suites: bookworm
Components: stable
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBFit/abc
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
`;

function machineWith(files: Readonly<Record<string, string>>): Machine {
  const folder = '/etc/apt/sources.list.d/';
  return {
    run: () => Promise.reject(new Error('no command is run')),
    readText: (path) => Promise.resolve(files[path]),
    listNames: () => Promise.resolve(Object.keys(files).filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length))),
  };
}

describe('apt sources of the deb822 format', () => {
  const sources = parseDeb822Sources(DEB822);

  it('reads a stanza with a comment inside', () => {
    expect(sources[0]).toEqual({
      uris: ['http://mirror.example/debian'], suites: ['bookworm', 'bookworm-updates'], components: ['main'],
      keyring: '/usr/share/keyrings/debian-archive-keyring.gpg', ignoresAge: false,
    });
  });

  it('takes no inline key for a keyring file', () => {
    expect(sources[1]?.keyring).toBeUndefined();
  });

  it('leaves out what is switched off, and sources only', () => {
    expect(sources.flatMap((source) => source.uris)).toEqual(['http://mirror.example/debian', 'https://third.example/linux/debian']);
  });

  it('keeps the leave to use an old index', () => {
    expect(parseDeb822Sources('Types: deb\nURIs: http://a/debian\nSuites: sid\nComponents: main\nCheck-Valid-Until: no\n')[0]?.ignoresAge).toBe(true);
  });
});

describe('apt sources of the one-line format', () => {
  it('reads options, several components and a comment behind', () => {
    const text = 'deb [arch=amd64 signed-by=/usr/share/keyrings/d.gpg check-valid-until=no] http://mirror.example/debian bookworm main contrib # ours\n';
    expect(parseOneLineSources(text)).toEqual([{
      uris: ['http://mirror.example/debian'], suites: ['bookworm'], components: ['main', 'contrib'], keyring: '/usr/share/keyrings/d.gpg', ignoresAge: true,
    }]);
  });

  it('leaves out comments and sources only', () => {
    expect(parseOneLineSources('# deb http://a/debian bookworm main\ndeb-src http://a/debian bookworm main\n\n')).toEqual([]);
  });
});

describe('the distribution’s own entries', () => {
  it('come first, before a third party that uses the same suite', async () => {
    const sources = await readMachineSources(machineWith({
      '/etc/apt/sources.list': 'deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/tools bookworm main\n',
      '/etc/apt/sources.list.d/debian.sources': DEB822,
      '/etc/apt/sources.list.d/old.list.disabled': 'deb http://disabled.example/debian bookworm main\n',
    }));
    const own = distributionSources(sources, { id: 'debian', codename: 'bookworm' });
    expect(own.map((source) => source.uris[0])).toEqual(['http://mirror.example/debian', 'https://vendor.example/tools']);
  });

  it('are found on a rolling release, which has no codename', () => {
    const sources = parseOneLineSources('deb http://mirror.example/debian unstable main\n');
    expect(distributionSources(sources, { id: 'debian' })).toHaveLength(1);
  });

  it.each([
    ['ID=debian\nVERSION_CODENAME=bookworm\n', { id: 'debian', codename: 'bookworm' }],
    ['ID="linuxmint"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n', { id: 'ubuntu', codename: 'noble' }],
    ['PRETTY_NAME="Debian GNU/Linux"\nID=debian\n', { id: 'debian' }],
  ])('belong to what os-release %j names', async (text, expected) => {
    expect(await readDistribution(machineWith({ '/etc/os-release': text }))).toEqual(expected);
  });
});
