/**
 * Namespaces of the run's own for network, mounts and processes. The rig starts itself again inside them; when its last
 * process is gone, however it ended, the kernel takes away every namespace, mount, rule and process of the run.
 *
 * Invariants: E1. Nothing is made outside but one folder below the system's temporary one, removed at the end. E2. Inside,
 * no process of the machine can be seen, so none can be killed by mistake.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FOLDER = 'CHAOS_FOLDER';
const RUN = 'CHAOS_RUN';
const WHY_NOT = 'CHAOS_ONE_HOST';
const UNSHARE = ['unshare', '--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** Makes what the rig makes, once, and says nothing. */
const PROBE = `mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link add b0 type bridge && ip netns add p0
  && ip link add v0 type veth peer name v1 netns p0 && nsenter --net=/run/netns/p0 iptables -A OUTPUT -j DROP`.replaceAll('\n', ' ');
/** The first process of a process namespace: it only takes in what is left behind by others. */
const FIRST = 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && { "$@" & wait $!; exit $?; }';

export interface Inside {
  /** For everything that the run writes. */
  readonly folder: string;
  /** Names the run; holds the pid of the process that began it. */
  readonly name: string;
  /** Why the run has no namespaces; undefined where it has. */
  readonly oneHost: string | undefined;
}

/** What a process that `enclosed` has started finds; undefined in the one that is to call it. */
export function inside(): Inside | undefined {
  const { [FOLDER]: folder, [RUN]: name, [WHY_NOT]: oneHost } = process.env;
  return folder === undefined || name === undefined ? undefined : { folder, name, oneHost };
}

/** Why several hosts cannot be made here; undefined where they can. */
export async function whyOneHost(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `network namespaces are Linux', and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    await run(UNSHARE[0]!, [...UNSHARE.slice(1), 'sh', '-c', PROBE], { timeout: 20_000 });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return `network namespaces cannot be made here: ${(stderr || message).trim().split('\n').at(-1) ?? ''}`;
  }
}

/** Runs this program again, enclosed where the machine permits, and gives its exit status. @param keep leaves the folder with the logs. */
export async function enclosed({ keep }: { readonly keep: boolean }): Promise<number> {
  const oneHost = await whyOneHost();
  const folder = await mkdtemp(join(tmpdir(), `godwit-chaos-${process.pid}-`));
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const [program, ...args] = oneHost === undefined ? [...UNSHARE, 'sh', '-c', FIRST, 'sh', ...self] : self;
  const env = { ...process.env, [FOLDER]: folder, [RUN]: `chaos-${process.pid}`, ...(oneHost === undefined ? {} : { [WHY_NOT]: oneHost }) };
  try {
    const child = spawn(program!, args, { env, stdio: 'inherit' });
    // unshare does not pass SIGTERM on; killed, it takes everything inside with it.
    const end = (): void => void child.kill(oneHost === undefined ? 'SIGKILL' : 'SIGTERM');
    process.once('SIGTERM', end).once('SIGINT', () => undefined); // Ctrl-C reaches the child too
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    if (keep) process.stdout.write(`logs: ${join(folder, 'data', 'logs')}\n`);
    else await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
