import { describe, expect, it } from '@jest/globals';
import { CHAIN_START, chainOutput } from '@godwit/snapshot';
import type { MigrationLive } from './live-state.js';
import { report } from './report.js';
import { checkChain, demandSeconds, latencies, leadMs, overloadSeconds, passedAtMs, promises, quantile, together, type JournalOutput, type RunAccount, type ThreadRow } from './summary.js';
import { sha256 } from './unmoved-run.js';

function outputs(count: number, lateMs: (n: number) => number = () => 40): JournalOutput[] {
  const made: JournalOutput[] = [];
  let hash = CHAIN_START;
  for (let n = 1; n <= count; n++) {
    const output = chainOutput(hash, { n, causedBySeq: n * 2, originMs: n * 100, messages: [{ kind: '', payload: new TextEncoder().encode(`line ${n}\n`) }] }, sha256);
    hash = output.hash;
    made.push({ ...output, atMs: n * 100 + lateMs(n), epoch: 1 });
  }
  return made;
}

describe('the chain of outputs', () => {
  it('accepts 1 to N with the hashes that follow', () => {
    const made = outputs(20);
    expect(checkChain(made, sha256)).toEqual({ outputs: 20, chainHash: made.at(-1)!.hash });
    expect(checkChain([], sha256)).toEqual({ outputs: 0, chainHash: CHAIN_START });
  });
  it('names a gap, a repetition and altered content', () => {
    const made = outputs(5);
    expect(checkChain(made.toSpliced(2, 1), sha256).broken).toMatch(/output 3 is missing/);
    expect(checkChain(made.toSpliced(2, 0, made[1]!), sha256).broken).toMatch(/output 3 is missing; the journal goes on with 2/);
    const altered = { ...made[3]!, messages: [{ kind: '', payload: new TextEncoder().encode('line 5\n') }] };
    expect(checkChain(made.toSpliced(3, 1, altered), sha256).broken).toBe('output 4 does not have the hash of its content');
  });
});

describe('latency', () => {
  it('is the journal’s time of the output minus that of the outside input', () => {
    const found = latencies(outputs(100, (n) => n), 90);
    expect(found).toMatchObject({ p50: 50, p99: 99, max: 100 });
    expect(found.lateSeconds).toBe(2);
  });
  it('leaves out what no input caused', () => {
    expect(latencies(outputs(3).map((output) => ({ ...output, originMs: 0 })), 10)).toMatchObject({ p50: NaN, lateSeconds: 0 });
  });
  it('takes the smallest value that covers the share', () => {
    expect(quantile([5, 1, 3], 0.5)).toBe(3);
    expect(quantile([1, 2, 3, 4], 0.99)).toBe(4);
  });
});

/** Ten rows a second, five records a second served. */
function load(seconds: readonly { readonly device?: string; readonly cpu: number; readonly backlog?: number }[]): ThreadRow[] {
  return seconds.flatMap(({ device = 'd-small', cpu, backlog = 0 }, s) => Array.from({ length: 10 }, (_, i) => ({ atMs: s * 1_000 + i * 100, device, cpuCores: cpu, backlogRecords: backlog, consumedPerSecond: 5 })));
}

describe('demand', () => {
  it('is the CPU used when nothing piles up', () => {
    const rows = load([{ cpu: 0.1 }, { cpu: 0.2 }]);
    expect(demandSeconds(rows).map(({ demandCores }) => demandCores)).toEqual([expect.closeTo(0.1), expect.closeTo(0.2)]);
  });
  it('counts what piles up on a device that is full, at the price of a record', () => {
    const rows = load([{ cpu: 0.3 }, { cpu: 0.3, backlog: 2 }, { cpu: 0.3, backlog: 1 }]);
    // A record takes 0.3 / 5 core-seconds; two more of them waited at the end of the second than before.
    expect(demandSeconds(rows).map(({ demandCores }) => demandCores)).toEqual([expect.closeTo(0.3), expect.closeTo(0.42), expect.closeTo(0.3)]);
  });
  it('passes a capacity when it stays above it, not in one burst', () => {
    const rows = load([{ cpu: 0.1 }, { cpu: 0.35 }, { cpu: 0.1 }, { cpu: 0.32 }, { cpu: 0.33 }]);
    const seconds = demandSeconds(rows);
    expect(passedAtMs(seconds, 0.3)).toBe(3_000);
    expect(passedAtMs(seconds, 0.5)).toBeUndefined();
    expect(overloadSeconds(seconds, [], () => 0.3)).toBe(3);
  });
  it('is held against the device that owned the thread in that second', () => {
    const rows = load([{ cpu: 0.35 }, { cpu: 0.35, device: 'd-large' }]);
    expect(overloadSeconds(demandSeconds(rows), [], (device) => (device === 'd-large' ? 0.5 : 0.3))).toBe(1);
  });
});

describe('demand of several threads', () => {
  const seconds = (device: string, ...cores: number[]): { atMs: number; device: string; demandCores: number }[] => cores.map((demandCores, s) => ({ atMs: s * 1_000, device, demandCores }));
  it('is added up second by second, wherever they are', () => {
    expect(together([seconds('d-small', 0.1, 0.2), seconds('d-large', 0.05, 0.06)]).map(({ demandCores }) => demandCores)).toEqual([expect.closeTo(0.15), expect.closeTo(0.26)]);
    expect(together([])).toEqual([]);
  });
  it('overloads a device only where they share it', () => {
    const network = seconds('d-small', 0.28, 0.28);
    expect(overloadSeconds(network, [seconds('d-small', 0.05, 0.01)], () => 0.3)).toBe(1);
    expect(overloadSeconds(network, [seconds('d-large', 0.05, 0.05)], () => 0.3)).toBe(0);
  });
});

const migration: MigrationLive = {
  migration: 'm-1', thread: 'network', source: 'd-small', target: 'd-large', plannedAtMs: 10_000, outcome: 'committed', freezeMs: 61.2, sizeBytes: 1_100_000, digest: 'ab'.repeat(32),
  phases: [{ phase: 'planned', atMs: 10_000 }, { phase: 'retired', atMs: 11_500 }],
};

function account(change: Partial<RunAccount> & { readonly lateMs?: number } = {}): RunAccount {
  const { lateMs = 40, ...rest } = change;
  const made = outputs(50, () => lateMs);
  const chain = checkChain(made, sha256);
  const threads = ['intake', 'network', 'board', 'delays'].map((thread) => ({ thread, chain, replay: { outputs: 50, chainHash: chain.chainHash }, latencies: latencies(made, 500) }));
  return {
    policy: 'predictive', goalMs: 500, flightsIn: 100, flightsCounted: 100, flightsMissing: 0, flightsRepeated: 0, threads, loaded: 'network', beganOn: 'd-small', overloadSeconds: 0, peakCores: 0.42,
    migrations: [migration], decidedAtMs: 10_000, source: 'd-small', sourceCores: 0.3, passedAtMs: 14_000, ...rest,
  };
}
const { passedAtMs: passedOnce, ...neverPassed } = account();
const off = account({ policy: 'off', lateMs: 5_000, migrations: [] });
const broken = (on: RunAccount, base = off): string[] => promises(base, on).filter(({ kept }) => !kept).map(({ promise }) => promise);

describe('the promises', () => {
  it('are kept by a run that moved in time and lost nothing', () => {
    expect(broken(account())).toEqual([]);
    expect(leadMs(account())).toBe(passedOnce! - 10_000);
    expect(report(off, account())).toMatchObject({ kept: true });
  });
  it.each([
    ['no migration of the loaded thread committed', account({ migrations: [{ ...migration, outcome: 'rolled-back' }] }), 'a thread was moved'],
    ['only another thread was moved', account({ migrations: [{ ...migration, thread: 'board' }] }), 'a thread was moved'],
    ['the decision came after the overload', account({ decidedAtMs: 15_000 }), 'the decision came before the overload'],
    ['demand never passed the capacity, so nothing was shown', neverPassed, 'the decision came before the overload'],
    ['messages were late with moves', account({ lateMs: 900 }), 'with moves it does not'],
    ['the runs began on different devices', account({ beganOn: 'd-medium' }), 'both runs began on the same device'],
    ['a flight is missing', account({ flightsCounted: 99, flightsMissing: 1 }), 'predictive: every flight is counted once'],
    ['a flight was repeated', account({ flightsRepeated: 1 }), 'predictive: every flight is counted once'],
  ])('are broken when %s', (_, on, promise) => {
    expect(broken(on)).toContain(promise);
    expect(report(off, on).kept).toBe(false);
  });
  it('are broken when the load proves nothing without moves', () => {
    expect(broken(account(), account({ policy: 'off', migrations: [] }))).toEqual(['without moves the load makes messages late']);
  });
  it('are broken when a chain is, or a replay differs, in either run', () => {
    const damaged = (run: RunAccount): RunAccount => ({ ...run, threads: run.threads.map((thread, i) => (i === 2 ? { ...thread, chain: { ...thread.chain, broken: 'output 7 is missing' } } : thread)) });
    expect(broken(damaged(account()))).toEqual(['predictive: outputs are numbered without a gap, their hashes chain']);
    const other = { ...off, threads: off.threads.map((thread) => ({ ...thread, replay: { outputs: 50, chainHash: sha256(new Uint8Array(1)) } })) };
    expect(broken(account(), other)).toEqual(['off: equal to an unmoved replay of the same journal, bit for bit']);
  });
});

describe('the summary', () => {
  it('shows both runs side by side, the lead, the moves and each promise', () => {
    const text = report(off, account()).lines.join('\n');
    expect(text).toContain('migration off  migration on');
    expect(text).toMatch(/latency of network, p99 \(goal 500 ms\)\s+5000 ms\s+40\.0 ms/);
    expect(text).toContain('the decision came 4.0 s before');
    expect(text).toContain('network: d-small → d-large  committed · freeze 61.2 ms · 1.0 MiB · digest abababababab… · 1500 ms in all');
    expect(text).toContain('Every promise was kept.');
  });
});
