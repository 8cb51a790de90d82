import { describe, expect, it } from '@jest/globals';
import type { Instance } from './instance.js';
import { Supervised, type RestartLimits } from './supervised.js';

const LIMITS: RestartLimits = { firstPauseMs: 1, longestPauseMs: 4, maxFastDeaths: 3, steadyMs: 60_000 };

/** A process that ends when it is told to. */
class Scripted implements Instance {
  readonly signals: NodeJS.Signals[] = [];
  readonly ended: Promise<string>;
  private settle: (how: string) => void = () => undefined;
  constructor(readonly pid: number) {
    this.ended = new Promise((resolve) => (this.settle = resolve));
  }
  die(how: string): void {
    this.settle(how);
  }
  kill(signal: NodeJS.Signals): void {
    this.signals.push(signal);
    if (signal === 'SIGKILL') this.settle(signal);
  }
  async stop(): Promise<void> {
    this.settle('exit code 0');
  }
}

function rig(launches: (pid: number) => 'fails' | 'runs' = () => 'runs') {
  const lines: string[] = [];
  const instances: Scripted[] = [];
  const seen: (number | undefined)[] = [];
  let waiting: (() => void)[] = [];
  const changed = (): void => {
    for (const wake of waiting.splice(0)) wake();
  };
  const supervised = new Supervised<Scripted>('it', async (before) => {
    seen.push(before?.pid);
    if (launches(seen.length) === 'fails') throw new Error(`launch ${seen.length}`);
    const instance = new Scripted(seen.length);
    instances.push(instance);
    return instance;
  }, (line) => {
    lines.push(line);
    changed();
  }, LIMITS);
  const line = async (wanted: string): Promise<void> => {
    while (!lines.includes(wanted)) await new Promise<void>((resolve) => (waiting = [...waiting, resolve]));
  };
  return { supervised, lines, instances, seen, line };
}

describe('a supervised process', () => {
  it('is started again after each death, with growing pauses, and is given up after too many in a row', async () => {
    const { supervised, instances, lines, line, seen } = rig();
    await supervised.start();
    for (const pauseMs of [1, 2, 4]) {
      const before = lines.length;
      instances.at(-1)!.die('exit code 70');
      await line(`it ended (exit code 70); starting it again in ${pauseMs} ms`);
      await until(() => lines.length === before + 2);
    }
    instances.at(-1)!.die('SIGSEGV');
    await line('it ended (SIGSEGV); given up after 3 restarts in a row');
    expect([supervised.state, supervised.instance, instances.length]).toEqual(['failed', undefined, 4]);
    expect(seen).toEqual([undefined, 1, 2, 3]);
  });

  it('is tried again when a restart fails', async () => {
    const { supervised, instances, lines, line } = rig((n) => (n === 2 ? 'fails' : 'runs'));
    await supervised.start();
    instances[0]!.die('exit code 1');
    await line('it runs again');
    expect(lines).toEqual(['it ended (exit code 1); starting it again in 1 ms', 'it did not start: launch 2; starting it again in 2 ms', 'it runs again']);
  });

  it('does not count the deaths that were asked for', async () => {
    const { supervised, instances, line } = rig();
    await supervised.start();
    for (let kill = 1; kill <= 2 * LIMITS.maxFastDeaths; kill++) {
      supervised.kill('SIGKILL');
      await line('it ended (SIGKILL); starting it again');
      await until(() => instances.length === kill + 1 && supervised.instance === instances[kill]);
    }
    expect(supervised.state).toBe('ready');
  });

  it('is held when it was killed to stay away, and comes back when called', async () => {
    const { supervised, instances } = rig();
    await supervised.start();
    supervised.kill('SIGKILL', { restart: false });
    await until(() => supervised.state === 'held');
    expect(() => supervised.kill('SIGTERM')).toThrow('it does not run now (held)');
    await supervised.restart(1);
    expect([supervised.state, instances.length]).toEqual(['ready', 2]);
    await supervised.restart(1);
    expect([supervised.state, instances.length]).toEqual(['ready', 3]);
  });

  it('takes signals that end nothing as what they are', async () => {
    const { supervised, instances, line } = rig();
    await supervised.start();
    supervised.kill('SIGSTOP');
    supervised.kill('SIGCONT', { restart: false });
    expect(instances[0]!.signals).toEqual(['SIGSTOP', 'SIGCONT']);
    instances[0]!.die('SIGKILL');
    await line('it ended (SIGKILL); starting it again in 1 ms');
  });

  it('launches nothing after it was stopped, not even in the pause before a restart', async () => {
    const { supervised, instances, line } = rig();
    await supervised.start();
    instances[0]!.die('exit code 1');
    await line('it ended (exit code 1); starting it again in 1 ms');
    await supervised.stop(1);
    expect([supervised.state, instances.length, supervised.instance]).toEqual(['stopped', 1, undefined]);
    await expect(supervised.restart(1)).rejects.toThrow('it was stopped');
  });

  it('leaves the failure of its first start to the caller', async () => {
    const { supervised, lines } = rig(() => 'fails');
    await expect(supervised.start()).rejects.toThrow('launch 1');
    expect([supervised.state, lines]).toEqual(['failed', []]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 2_000) throw new Error('did not come to hold');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
