/** What the chain has to know of each server program. */
import type { ServerName } from './version.js';

export interface ServerProgram {
  readonly name: ServerName;
  /** The program's file name, also the name of its place in the tools folder. */
  readonly program: string;
  /** Names under which it may stand on PATH. */
  readonly pathNames: readonly string[];
  readonly urlVariable: string;
  readonly binVariable: string;
  readonly urlSchemes: readonly string[];
  /** Debian packages that hold the program itself; libraries are found by what its loader misses. */
  readonly packages: readonly string[];
  /** Suites to ask before the machine's own, newest first, by distribution. */
  readonly newerSuites: Readonly<Record<string, readonly string[]>>;
  readonly image: string;
  /** Commands that a person can type, one a line. */
  readonly remedies: readonly string[];
}

export const NATS_PROGRAM: ServerProgram = {
  name: 'nats', program: 'nats-server', pathNames: ['nats-server'],
  urlVariable: 'NATS_URL', binVariable: 'NATS_SERVER_BIN', urlSchemes: ['nats:', 'tls:', 'ws:', 'wss:'],
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
  urlVariable: 'REDIS_URL', binVariable: 'REDIS_SERVER_BIN', urlSchemes: ['redis:', 'rediss:'],
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
