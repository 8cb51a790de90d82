import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fakeDebian, serverScript, type FakeDebian } from './fake-debian.fixture.js';
import type { CommandResult, Machine } from './machine.js';
import { resolveNats, resolveRedis } from './resolve.js';
import type { ResolvedServer } from './resolved-server.js';

let base: string;
let toolsDir: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'godwit-resolve-'));
  toolsDir = join(base, 'tools');
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function script(name: string, text: string): Promise<string> {
  const file = join(base, name);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, text);
  await chmod(file, 0o755);
  return file;
}

const natsPackage = (version: string, before = '') => ({ version: `${version}-1`, files: { 'usr/sbin/nats-server': serverScript(version, before) } });
const NOTHING: FakeDebian = { suites: {} };
const SID: FakeDebian = { suites: { sid: { 'nats-server': natsPackage('2.15.1') } } };

const commandOf = (server: ResolvedServer): readonly string[] | undefined => (server.kind === 'binary' ? server.command : undefined);

function nats(debian: FakeDebian, env: Readonly<Record<string, string>> = {}, commands: string[] = []) {
  return resolveNats({ toolsDir, env, machine: fakeDebian(debian, commands) });
}

describe('link 1, the URL', () => {
  it('answers before everything else and starts no command', async () => {
    const commands: string[] = [];
    const env = { NATS_URL: 'nats://10.0.0.1:4222,nats://10.0.0.2:4222', NATS_SERVER_BIN: '/bin/false' };
    expect(await nats(SID, env, commands)).toEqual({ kind: 'url', url: env.NATS_URL, link: 'NATS_URL' });
    expect(commands).toEqual([]);
  });

  it.each(['localhost:4222', 'http://localhost', 'nonsense'])('refuses %s and does not go on', async (url) => {
    await expect(nats(SID, { NATS_URL: url })).rejects.toMatchObject({ code: 'invalid-field', message: expect.stringContaining('NATS_URL') });
  });

  it('does not repeat a password', async () => {
    await expect(nats(SID, { NATS_URL: 'http://user:hunter2@host' })).rejects.toThrow(/^(?!.*hunter2)/);
  });

  it('counts as absent when it is empty', async () => {
    expect(await nats(SID, { NATS_URL: '' })).toMatchObject({ kind: 'binary' });
  });
});

describe('link 2, the explicit binary', () => {
  it('answers before the tools folder', async () => {
    await nats(SID);
    const file = await script('mine', serverScript('2.14.0'));
    expect(await nats(SID, { NATS_SERVER_BIN: file })).toMatchObject({ command: [file], version: '2.14.0', link: 'NATS_SERVER_BIN' });
  });

  it('fails in one line when it is too old', async () => {
    const file = await script('mine', serverScript('2.9.10'));
    await expect(nats(SID, { NATS_SERVER_BIN: file })).rejects.toMatchObject({ code: 'server-too-old', message: expect.stringMatching(/^[^\n]*2\.9\.10[^\n]*2\.12\.6[^\n]*$/) });
  });

  it('fails when it does not start', async () => {
    await expect(nats(SID, { NATS_SERVER_BIN: join(base, 'absent') })).rejects.toMatchObject({ code: 'server-missing', message: expect.stringContaining('NATS_SERVER_BIN') });
  });
});

describe('link 3, the tools folder', () => {
  it('answers from the second time on, without apt', async () => {
    const first = await nats(SID);
    const commands: string[] = [];
    const second = await nats(NOTHING, {}, commands);
    expect(second).toMatchObject({ command: commandOf(first), version: '2.15.1', link: 'tools folder, from debian packages (sid)' });
    expect(commands).toEqual(['nats-server --version']);
  });

  it('still answers after the folder was moved', async () => {
    await nats(SID);
    const elsewhere = join(base, 'elsewhere');
    await rename(toolsDir, elsewhere);
    expect(await resolveNats({ toolsDir: elsewhere, env: {}, machine: fakeDebian(NOTHING) })).toMatchObject({ version: '2.15.1' });
  });

  it.each([['damaged', '{'], ['of another shape', '{"program":7}']])('is passed when its manifest is %s, and filled anew', async (_, text) => {
    await nats(SID);
    await writeFile(join(toolsDir, 'nats-server', 'godwit-tool.json'), text);
    expect(await nats(SID)).toMatchObject({ link: 'debian packages (sid)' });
  });

  it('is passed when what it holds has become too old, and filled anew', async () => {
    await nats(SID);
    const [attempt] = (await readdir(join(toolsDir, 'nats-server'))).filter((name) => !name.endsWith('.json'));
    await writeFile(join(toolsDir, 'nats-server', attempt!, 'usr/sbin/nats-server'), serverScript('2.10.0'));
    expect(await nats(SID)).toMatchObject({ version: '2.15.1', link: 'debian packages (sid)' });
  });
});

describe('link 4, PATH', () => {
  it('answers where the version suffices', async () => {
    const file = await script('bin/nats-server', serverScript('2.12.6'));
    expect(await nats(SID, { PATH: `relative:${join(base, 'bin')}` })).toMatchObject({ command: [file], link: `PATH (${file})` });
  });

  it('is passed where it does not', async () => {
    await script('bin/nats-server', serverScript('2.10.27'));
    expect(await nats(SID, { PATH: join(base, 'bin') })).toMatchObject({ link: 'debian packages (sid)' });
  });

  it('goes on to a later folder', async () => {
    await script('old/nats-server', serverScript('2.9.10'));
    const file = await script('new/nats-server', serverScript('2.13.0'));
    expect(await nats(SID, { PATH: `${join(base, 'old')}:${join(base, 'new')}` })).toMatchObject({ command: [file] });
  });

  it('takes Valkey for Redis', async () => {
    const file = await script('bin/valkey-server', '#!/bin/sh\necho "Valkey server v=8.1.1 sha=0"\n');
    expect(await resolveRedis({ toolsDir, env: { PATH: join(base, 'bin') }, machine: fakeDebian(NOTHING) })).toMatchObject({ command: [file], version: '8.1.1' });
  });
});

describe('link 5, Debian’s packages', () => {
  it('leaves out a suite whose version is too old, without downloading it', async () => {
    const commands: string[] = [];
    const debian = { suites: { sid: { 'nats-server': natsPackage('2.10.0') }, testing: { 'nats-server': natsPackage('2.12.6') } } };
    expect(await nats(debian, {}, commands)).toMatchObject({ version: '2.12.6', link: 'debian packages (testing)' });
    expect(commands.filter((command) => command.startsWith('apt-get download'))).toHaveLength(1);
  });

  it('does not take an archive that is not the distribution’s', async () => {
    await expect(nats({ ...SID, origin: 'Vendor' })).rejects.toThrow(/the archive is of Vendor, not of debian/);
  });

  it('fetches the libraries that the program misses', async () => {
    const needs = 'lib=${LD_LIBRARY_PATH:-/nowhere}/liblzf.so.1\n[ -n "$FAKE_TRACE" ] && { echo "	liblzf.so.1 => not found"; exit 0; }\n[ -e "$lib" ] || { echo "cannot open shared object file" >&2; exit 127; }';
    const debian: FakeDebian = { suites: { bookworm: {
      'redis-server': { version: '5:7.0.15-1', files: { 'usr/bin/redis-server': serverScript('7.0.15', needs) }, depends: ['libc6', 'libother3', 'liblzf1', 'adduser'] },
      'redis-tools': { version: '5:7.0.15-1', files: {} },
      liblzf1: { version: '3.6', files: { 'usr/lib/x/liblzf.so.1': '' } },
      libother3: { version: '1', files: { 'usr/lib/x/libother.so.3': '' } },
    } } };
    const commands: string[] = [];
    const found = await resolveRedis({ toolsDir, env: {}, machine: fakeDebian(debian, commands) });
    expect(found).toMatchObject({ version: '7.0.15', env: { LD_LIBRARY_PATH: expect.stringMatching(/usr\/lib\/x$/) } });
    expect(commands.filter((command) => command.startsWith('apt-get download'))).toEqual(['apt-get download redis-server redis-tools', 'apt-get download liblzf1']);
  });

  it('starts the program through the suite’s own loader when the C library is too old', async () => {
    const needs = '[ -n "$NEW_LIBC" ] || { echo "libc.so.6: version \\`GLIBC_2.99\' not found" >&2; exit 1; }';
    const debian: FakeDebian = { suites: { sid: {
      'nats-server': natsPackage('2.15.1', needs),
      libc6: { version: '2.99', files: { 'usr/lib/x/ld-linux-x86-64.so.2': '#!/bin/sh\nshift 2\nNEW_LIBC=1 exec "$@"\n', 'usr/lib/x/libc.so.6': '' } },
    } } };
    const found = await nats(debian);
    expect(found).toMatchObject({ env: {}, command: [expect.stringMatching(/ld-linux-x86-64\.so\.2$/), '--library-path', expect.stringMatching(/usr\/lib\/x$/), expect.stringMatching(/nats-server$/)] });
    expect(await nats(NOTHING)).toMatchObject({ link: expect.stringContaining('tools folder'), version: '2.15.1' });
  });

  it('is obtained once when two ask at once', async () => {
    const commands: string[] = [];
    const [one, two] = await Promise.all([nats(SID, {}, commands), nats(SID, {}, commands)]);
    expect(commandOf(one)).toHaveLength(1);
    expect(commandOf(two)).toEqual(commandOf(one));
    expect(commands.filter((command) => command.startsWith('apt-get download'))).toHaveLength(1);
  });

  it('leaves no half of a program behind when it fails', async () => {
    const debian = { suites: { sid: { 'nats-server': natsPackage('2.15.1', 'exit 3') } } };
    await expect(nats(debian)).rejects.toThrow(/does not start/);
    expect((await readdir(toolsDir)).filter((name) => !name.startsWith('.lock'))).toEqual([]);
  });

  it('is passed when the tools folder cannot be made', async () => {
    await writeFile(join(base, 'file'), '');
    await expect(resolveNats({ toolsDir: join(base, 'file', 'tools'), env: {}, machine: fakeDebian(SID) })).rejects.toMatchObject({
      code: 'server-missing', message: expect.stringContaining('tools folder cannot be written'),
    });
  });
});

describe('link 7, a container', () => {
  const withDocker = (answers: Readonly<Record<string, CommandResult>>): Machine => {
    const rest = fakeDebian(NOTHING);
    return { ...rest, run: (command, options) => (command[0] === 'docker' ? Promise.resolve(answers[command[1]!]!) : rest.run(command, options)) };
  };
  const said = (stdout: string): CommandResult => ({ exitCode: 0, stdout, stderr: '' });

  it('answers when the engine runs the image', async () => {
    const machine = withDocker({ info: said('27.0\n'), run: said('nats-server: v2.12.8\n') });
    expect(await resolveNats({ toolsDir, env: {}, machine })).toMatchObject({ kind: 'container', engine: 'docker', version: '2.12.8' });
  });

  it('is passed when the engine does not answer', async () => {
    const machine = withDocker({ info: { exitCode: 1, stdout: '', stderr: 'Cannot connect to the Docker daemon' } });
    await expect(resolveNats({ toolsDir, env: {}, machine })).rejects.toThrow(/container: docker does not answer: Cannot connect/);
  });
});

describe('the last link, the message', () => {
  it('names commands to type, and why each link passed', async () => {
    const error = await nats(NOTHING).then(() => undefined, (cause: Error) => cause);
    expect(error).toMatchObject({ code: 'server-missing', effect: 'none' });
    const lines = error!.message.split('\n');
    expect(lines[0]).toBe('nats-server 2.12.6 or newer was not found and could not be obtained. Type one of these, then start again:');
    expect(error!.message).toContain('export NATS_SERVER_BIN=/path/to/nats-server');
    for (const link of ['URL', 'explicit binary', 'tools folder', 'PATH', 'Debian packages', 'release archive', 'container']) {
      expect(lines.filter((line) => line.startsWith(`  ${link}: `))).toHaveLength(1);
    }
    expect(error!.message).toMatch(/Debian packages: sid: .*Unable to connect; testing: /);
  });
});
