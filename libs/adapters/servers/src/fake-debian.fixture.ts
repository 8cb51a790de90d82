/** A machine whose apt commands are answered from a table of suites; what they unpack are small shell scripts that really run. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { thisMachine, type CommandOptions, type CommandResult, type Machine } from './machine.js';

export interface FakePackage {
  readonly version: string;
  /** Path below the root, and the script that stands there. */
  readonly files: Readonly<Record<string, string>>;
  readonly depends?: readonly string[];
}

export interface FakeDebian {
  /** Packages by suite and name. A suite that is not listed cannot be reached. */
  readonly suites: Readonly<Record<string, Readonly<Record<string, FakePackage>>>>;
  /** What the signed index says; default Debian. */
  readonly origin?: string;
}

const ok = (stdout = ''): CommandResult => ({ exitCode: 0, stdout, stderr: '' });
const failed = (stderr: string): CommandResult => ({ exitCode: 100, stdout: '', stderr });

/** A script that tells `version` as a server does. */
export const serverScript = (version: string, before = ''): string => `#!/bin/sh\n${before}\necho "server: v${version}"\n`;

/** Every command that was run is added to `commands`, as one line. */
export function fakeDebian(debian: FakeDebian, commands: string[] = []): Machine {
  const texts: Readonly<Record<string, string>> = {
    '/etc/os-release': 'ID=debian\nVERSION_CODENAME=bookworm\n',
    '/etc/apt/sources.list': 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main\n',
  };
  return {
    readText: (path) => (path.startsWith('/etc/') ? Promise.resolve(texts[path]) : thisMachine.readText(path)),
    listNames: (folder) => (folder.startsWith('/etc/') ? Promise.resolve([]) : thisMachine.listNames(folder)),
    run: async (command, options = {}) => {
      commands.push(command.map((word) => basename(word)).join(' '));
      if (/^(apt-|dpkg-deb|docker)/.test(command[0]!)) return apt(debian, command, options);
      // The real loader would obey the variable for the scripts' shell.
      const { LD_TRACE_LOADED_OBJECTS: trace, ...env } = options.env ?? {};
      return thisMachine.run(command, { ...options, env: trace === undefined ? env : { ...env, FAKE_TRACE: trace } });
    },
  };
}

async function apt(debian: FakeDebian, command: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const [program, verb, ...rest] = command;
  if (program === 'docker') return { exitCode: 127, stdout: '', stderr: 'docker: not found' };
  if (verb === '--version' || program === 'apt-config') return ok();
  if (program === 'dpkg-deb') return unpack(await readFile(rest[0]!, 'utf8'), rest[1]!);
  const folder = dirname(options.env!['APT_CONFIG']!);
  const suiteName = /debian (\S+) main/.exec(await readFile(join(folder, 'sources.list'), 'utf8'))![1]!;
  const suite = debian.suites[suiteName];
  if (suite === undefined) return failed('Err:1 http://mirror.example\nE: Unable to connect');
  if (verb === 'update') {
    await writeFile(join(folder, 'state/lists/mirror_InRelease'), `Origin: ${debian.origin ?? 'Debian'}\n`);
    return ok();
  }
  if (verb === 'policy') return ok(`${rest[0]}:\n  Installed: (none)\n  Candidate: ${suite[rest[0]!]?.version ?? '(none)'}\n`);
  if (verb === 'depends') return ok([rest.at(-1)!, ...(suite[rest.at(-1)!]?.depends ?? [])].join('\n'));
  for (const name of rest) {
    if (suite[name] === undefined) return failed(`E: Unable to locate package ${name}`);
    await writeFile(join(options.cwd!, `${name}.deb`), JSON.stringify(suite[name].files));
  }
  return ok();
}

async function unpack(packed: string, root: string): Promise<CommandResult> {
  for (const [path, script] of Object.entries(JSON.parse(packed) as Record<string, string>)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), script);
    await chmod(join(root, path), 0o755);
  }
  return ok();
}
