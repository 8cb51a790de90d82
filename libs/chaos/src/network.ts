/**
 * Each agent in a network namespace of its own, joined to the broker by a bridge; what the agents and the broker say to
 * each other can be cut off in either direction. All of it lies inside the namespaces of this run (see enclosure.ts), so
 * nothing else on the machine is touched, and it is gone with the last process of the run.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SUBNET = '10.77.0';
const HUB = `${SUBNET}.1`;
const BRIDGE = 'godwit0';
const FIRST_AGENT = 11;

/** `in`: nothing of the broker reaches the agent. `out`: nothing of the agent reaches the broker. */
export type Cut = 'in' | 'out' | 'both';

export interface Network {
  /** Why there is only one host; undefined where there are several. */
  readonly missing: string | undefined;
  /** Where the broker and Redis are to listen. */
  readonly hub: string;
  hostOf(device: string): string;
  /** What the command of the device's agent begins with. */
  prefixOf(device: string): readonly string[];
  cut(device: string, way: Cut, brokerPort: number): Promise<void>;
  /** Takes away every cut of the device. */
  mend(device: string): Promise<void>;
}

/** One host for all, where namespaces are not permitted. */
export function oneHost(missing: string): Network {
  const refuse = (): Promise<never> => Promise.reject(new Error(`no partition: ${missing}`));
  return { missing, hub: '127.0.0.1', hostOf: () => '127.0.0.1', prefixOf: () => [], cut: refuse, mend: async () => undefined };
}

/** @param run names the run in the namespaces' names. @throws when the machine does not do it after all. */
export async function severalHosts(devices: readonly string[], runName: string): Promise<Network> {
  const name = (device: string): string => `${runName}-${device}`;
  const host = (device: string): string => `${SUBNET}.${FIRST_AGENT + devices.indexOf(device)}`;
  const inside = (device: string): string[] => ['nsenter', `--net=/run/netns/${name(device)}`];
  const ip = (...args: string[]): Promise<unknown> => run('ip', args);
  const at = (device: string, ...command: string[]): Promise<unknown> => {
    const [program, ...args] = [...inside(device), ...command];
    return run(program!, args);
  };
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', BRIDGE, 'type', 'bridge');
  await ip('addr', 'add', `${HUB}/24`, 'dev', BRIDGE);
  await ip('link', 'set', BRIDGE, 'up');
  for (const [index, device] of devices.entries()) {
    await ip('netns', 'add', name(device));
    await ip('link', 'add', `veth${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name(device));
    await ip('link', 'set', `veth${index}`, 'master', BRIDGE, 'up');
    await at(device, 'ip', 'link', 'set', 'lo', 'up');
    await at(device, 'ip', 'addr', 'add', `${host(device)}/24`, 'dev', 'eth0');
    await at(device, 'ip', 'link', 'set', 'eth0', 'up');
  }
  return {
    missing: undefined, hub: HUB, hostOf: host, prefixOf: inside,
    async cut(device, way, brokerPort) {
      const port = String(brokerPort);
      if (way !== 'in') await at(device, 'iptables', '-A', 'OUTPUT', '-d', HUB, '-p', 'tcp', '--dport', port, '-j', 'DROP');
      if (way !== 'out') await at(device, 'iptables', '-A', 'INPUT', '-s', HUB, '-p', 'tcp', '--sport', port, '-j', 'DROP');
    },
    async mend(device) {
      await at(device, 'iptables', '-F');
    },
  };
}
