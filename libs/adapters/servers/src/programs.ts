/** What the chain has to know of each server program. */
import { parseVersion, type ServerName, type Version } from './version.js';

export interface ServerProgram {
  readonly name: ServerName;
  /** The program's file name, also the name of its place in the tools folder. */
  readonly program: string;
  /** Names under which it may stand on PATH. */
  readonly pathNames: readonly string[];
  /** Absent for a tool that is no server. */
  readonly url?: { readonly variable: string; readonly schemes: readonly string[] };
  readonly binVariable: string;
  /** Debian packages that hold the program itself; libraries are found by what its loader misses. */
  readonly packages: readonly string[];
  /** Suites to ask before the machine's own, newest first, by distribution. */
  readonly newerSuites: Readonly<Record<string, readonly string[]>>;
  /** Absent where a container would not do. */
  readonly image?: string;
  /** Where its version is not spelled `a.b.c`. */
  readonly readVersion?: (text: string) => Version | undefined;
  /** Commands that a person can type, one a line. */
  readonly remedies: readonly string[];
}

export const NATS_PROGRAM: ServerProgram = {
  name: 'nats', program: 'nats-server', pathNames: ['nats-server'],
  url: { variable: 'NATS_URL', schemes: ['nats:', 'tls:', 'ws:', 'wss:'] }, binVariable: 'NATS_SERVER_BIN',
  packages: ['nats-server'],
  newerSuites: { debian: ['sid', 'testing', 'trixie-backports'], ubuntu: ['devel'] },
  image: 'nats:2.12',
  remedies: [
    'go install github.com/nats-io/nats-server/v2@v2.12.6 && export NATS_SERVER_BIN="$(go env GOPATH)/bin/nats-server"',
    'brew install nats-server',
    'export NATS_URL=nats://HOST:4222 NATS_MONITOR_URL=http://HOST:8222   (a server that runs already, with sync_interval: always)',
  ],
};

export const REDIS_PROGRAM: ServerProgram = {
  name: 'redis', program: 'redis-server', pathNames: ['redis-server', 'valkey-server'],
  url: { variable: 'REDIS_URL', schemes: ['redis:', 'rediss:'] }, binVariable: 'REDIS_SERVER_BIN',
  packages: ['redis-server', 'redis-tools'],
  newerSuites: {},
  image: 'redis:7.2',
  remedies: [
    'sudo apt-get install redis-server     (Debian, Ubuntu)',
    'sudo dnf install redis                (Fedora, RHEL)',
    'brew install redis                    (macOS)',
    'export REDIS_URL=redis://HOST:6379    (a server that runs already, with appendonly yes)',
  ],
};

/** `Version: 4.1.1`, but also `Version: 4.2`, and Debian's `4.2-1`. */
function readCriuVersion(text: string): Version | undefined {
  const short = /^(?:Version: )?(\d{1,6})\.(\d{1,6})(?:-\S*)?$/m.exec(text.trim());
  return parseVersion(text) ?? (short ? [Number(short[1]), Number(short[2]), 0] : undefined);
}

export const CRIU_PROGRAM: ServerProgram = {
  name: 'criu', program: 'criu', pathNames: ['criu'], binVariable: 'CRIU_BIN',
  packages: ['criu'], readVersion: readCriuVersion,
  newerSuites: { debian: ['trixie', 'testing', 'sid'], ubuntu: ['devel'] },
  remedies: [
    'sudo apt-get install criu             (Debian 13 and newer, Ubuntu 25.10 and newer)',
    'sudo dnf install criu                 (Fedora)',
  ],
};

/** The version in what the program (or its package) prints. */
export const versionOf = (program: ServerProgram, text: string): Version | undefined => (program.readVersion ?? parseVersion)(text);
