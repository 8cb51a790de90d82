import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fakeDebian, serverScript, type FakeDebian } from './fake-debian.fixture.js';
import { LINKS_WITHOUT_NETWORK } from './links.js';
import { resolveCriu } from './resolve.js';

let base: string;
beforeEach(async () => { base = await mkdtemp(join(tmpdir(), 'godwit-criu-')); });
afterEach(() => rm(base, { recursive: true, force: true }));

async function criuAt(version: string): Promise<string> {
  const file = join(base, 'criu');
  await writeFile(file, `#!/bin/sh\necho "Version: ${version}"\n`);
  await chmod(file, 0o755);
  return file;
}
const TRIXIE: FakeDebian = { suites: { trixie: { criu: { version: '4.1.1-1', files: { 'usr/sbin/criu': serverScript('4.1.1') } } } } };
const resolve = (debian: FakeDebian, env: Readonly<Record<string, string>>, commands: string[] = []) => resolveCriu({ toolsDir: join(base, 'tools'), env, machine: fakeDebian(debian, commands) });

describe('CRIU', () => {
  it.each([['4.0', '4.0.0'], ['4.1.1', '4.1.1'], ['4.2', '4.2.0']])('on PATH that says %s is taken as %s', async (said, version) => {
    await criuAt(said);
    expect(await resolve({ suites: {} }, { PATH: base })).toMatchObject({ kind: 'binary', version, command: [join(base, 'criu')] });
  });
  it('of version 3 on PATH is passed over for the package of a newer suite', async () => {
    await criuAt('3.17.1');
    expect(await resolve(TRIXIE, { PATH: base })).toMatchObject({ version: '4.1.1', link: expect.stringMatching(/trixie/) });
  });
  it('that was named and is too old is an error, never skipped', async () => {
    await expect(resolve(TRIXIE, { CRIU_BIN: await criuAt('3.17.1') })).rejects.toMatchObject({ code: 'server-too-old', message: expect.stringMatching(/criu 3\.17\.1.*4\.0\.0.*CRIU_BIN/) });
  });
  it('is only looked for, where nothing may be fetched; the message says what to type', async () => {
    const commands: string[] = [];
    const looked = resolveCriu({ toolsDir: join(base, 'tools'), env: { PATH: base }, machine: fakeDebian(TRIXIE, commands), links: LINKS_WITHOUT_NETWORK });
    await expect(looked).rejects.toMatchObject({ code: 'server-missing', message: expect.stringMatching(/apt-get install criu/) });
    expect(commands.filter((command) => command.includes('apt'))).toEqual([]);
  });
});
