import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { descendantsOf, signalDescendants } from './descendants.js';

const WAIT_MS = 10_000;
const stateOf = (pid: number): string => /^State:\s*(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '';
async function until(what: string, holds: () => boolean): Promise<void> {
  for (const giveUpAtMs = performance.now() + WAIT_MS; !holds();) {
    if (performance.now() > giveUpAtMs) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

(process.platform === 'linux' ? describe : describe.skip)('what a runner started', () => {
  it('stops and goes on as a whole, grandchildren too', async () => {
    const parent = spawn('sh', ['-c', 'sh -c "sleep 600; :" & sleep 600; :'], { stdio: 'ignore' });
    try {
      await until('three descendants', () => descendantsOf(parent.pid!).length === 3);
      const all = descendantsOf(parent.pid!);
      signalDescendants(parent.pid!, 'SIGSTOP');
      await until('all stopped', () => all.every((pid) => stateOf(pid) === 'T'));
      expect(stateOf(parent.pid!)).not.toBe('T');
      signalDescendants(parent.pid!, 'SIGCONT');
      await until('all going', () => all.every((pid) => stateOf(pid) === 'S'));
    } finally {
      signalDescendants(parent.pid!, 'SIGKILL');
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    }
  });
  it('is nobody for a process that is not there', () => {
    expect(descendantsOf(0)).toEqual([]);
    expect(descendantsOf(2 ** 22 + 1)).toEqual([]);
    expect(() => signalDescendants(2 ** 22 + 1, 'SIGSTOP')).not.toThrow();
  });
});
