/** A recording of this machine at 1 s, taken while the bench waits for R; later runs forecast it as a family of its own. Linux only. */
import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER = 'entity,t,cpu,mem_bytes,net_rx_bytes,context_switches\n';
const PREFIX = 'machine-';

/** Files of earlier recordings. */
export const recordingsIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(PREFIX) && name.endsWith('.csv')).sort().map((name) => join(folder, name)) : []);

interface Counters { readonly busy: number; readonly total: number; readonly received: number; readonly switches: number }

function readCounters(): Counters {
  const stat = readFileSync('/proc/stat', 'utf8');
  const ticks = stat.slice(0, stat.indexOf('\n')).trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  const received = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2).reduce((sum, line) => sum + (Number(line.split(':')[1]?.trim().split(/\s+/)[0]) || 0), 0);
  return { total, busy: total - ticks[3]! - ticks[4]!, received, switches: Number(/^ctxt (\d+)/m.exec(stat)?.[1]) };
}

/** Begins to record; ends with the disposal of what it answers. Does nothing where there is no /proc. */
export function recordMachine(folder: string, startedAtMs: number): Disposable {
  if (!existsSync('/proc/stat')) return { [Symbol.dispose]: () => {} };
  const entity = `${PREFIX}${startedAtMs}`;
  const file = join(folder, `${entity}.csv`);
  writeFileSync(file, HEADER);
  let before = readCounters();
  const timer = setInterval(() => {
    const now = readCounters();
    const memory = /MemTotal: +(\d+)[^]*MemAvailable: +(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'));
    const used = memory === null ? '' : (Number(memory[1]) - Number(memory[2])) * 1_024;
    const cpu = (now.busy - before.busy) / Math.max(1, now.total - before.total);
    appendFileSync(file, `${entity},${Math.round((Date.now() - startedAtMs) / 100) / 10},${cpu.toFixed(4)},${used},${now.received - before.received},${now.switches - before.switches}\n`);
    before = now;
  }, 1_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
