import { isRefusal } from '@godwit/kernel';
import { decodeSamples, type SampleBatch } from '@godwit/wire';
import { batchBytes, type Readings } from './rig.fixture.js';
import { RollUp } from './roll-up.js';

const batch = (atMs: readonly number[], readings: Readings | ((row: number) => Readings)): SampleBatch => {
  const decoded = decodeSamples(batchBytes('d1', atMs, readings));
  if (isRefusal(decoded)) throw new Error(decoded.reason);
  return decoded;
};
const T = 1_700_000_000_000;

describe('rolling up', () => {
  it('takes the mean of rates and the last of states, over the samples of one second', () => {
    const rolled = new RollUp();
    const atMs = [T + 100, T + 500, T + 900];
    expect(rolled.take(batch(atMs, (row) => ({ '': { 'cpu.cores': row, 'memory.bytes': row }, t1: { 'cpu.cores': 2 * row, 'input.backlog_records': row } })), T + 900)).toEqual([]);
    const [step] = rolled.take(batch([T + 1_100], { '': { 'cpu.cores': 7 } }), T + 1_100);
    expect(step).toEqual({ atMs: T + 1_000, device: { 'cpu.cores': 1, 'memory.bytes': 2 }, threads: new Map([['t1', { 'cpu.cores': 2, 'input.backlog_records': 2 }]]) });
  });

  it('splits a batch that spans several seconds', () => {
    const steps = new RollUp().take(batch([T + 500, T + 1_500, T + 2_500], (row) => ({ '': { 'cpu.cores': row } })), T + 2_500);
    expect(steps.map(({ atMs, device }) => [atMs - T, device['cpu.cores']])).toEqual([[1_000, 0], [2_000, 1]]);
  });

  it('leaves out what was not read, and what would be one series per CPU or peer', () => {
    const rolled = new RollUp();
    rolled.take(batch([T], { '': { 'cpu.cores': NaN, 'cpu.cores.0': 1, 'link.d2.latency_ms': 1, 'power.watts': 30 } }), T);
    expect(rolled.take(batch([T + 1_000], { '': { 'power.watts': 1 } }), T + 1_000)[0]!.device).toEqual({ 'power.watts': 30 });
  });

  it('goes by our clock where the device’s is an hour off, and does not follow small differences', () => {
    const rolled = new RollUp();
    const offMs = 3_600_000;
    const ends = [0, 1, 2].flatMap((s) => rolled.take(batch([T + offMs + s * 1_000], { '': { 'cpu.cores': 1 } }), T + s * 1_000 + 40 * s)).map(({ atMs }) => atMs - T);
    expect(ends).toEqual([1_000, 2_000]);
  });
});
