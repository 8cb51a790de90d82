/**
 * How long a plan takes: 1,000 threads on 50 devices, horizon 60 s in steps of 1 s. Left out: filling the snapshot, the wire.
 * The peer is the same plan on an idle cluster: what reading the snapshot and asking the triggers costs by itself.
 * Measures the built files: after `npx tsc -b libs/core/decision`, run `npx node libs/core/decision/src/plan.bench.ts`.
 */
import type { ClusterSnapshot } from '../dist/index.js';
import { DEFAULT_PLAN_LIMITS, plan } from '../dist/index.js';
import { HORIZON_MS, cluster, device, deviceId, ids, path, stepUp, thread, threadId } from './spec/cluster.ts';

const DEVICES = 50;
const THREADS = 1_000;
const RUNS = 15;

/** @param growing of ten devices, how many run into overload within the horizon. */
function big(growing: number): ClusterSnapshot {
  const devices = Array.from({ length: DEVICES }, (_, i) => device(`d-${i}`, 4, { usedCores: 2, spec: { pricePerHour: 0.1 + i / 1_000, place: { pop: 'p', rack: `r-${i % 8}`, subnet: `s-${i % 4}` } } }));
  const threads = Array.from({ length: THREADS }, (_, i) => {
    const home = i % DEVICES;
    const rises = home % 10 < growing;
    return thread(`t-${i}`, `d-${home}`, path(rises ? stepUp(0.1, 0.25, 10 + (home % 30)) : 0.1, 0.03), { goals: i % 3 === 0 ? { responseMsP99: 200 } : {}, latencyMsP99: 20, stateBytes: 1e6 * (1 + (i % 40)) });
  });
  const traffic = Array.from({ length: THREADS }, (_, i) => ({ a: threadId(`t-${i}`), b: threadId(`t-${(i * 7 + 3) % THREADS}`), bytesPerSecond: 1_000 * (i % 50) }));
  const moveHistory = Array.from({ length: 200 }, (_, i) => ({ runtime: 'wasm' as const, stateBytes: 1e6 * i, totalMs: 600 + i, freezeMs: 40 + i }));
  return cluster(devices, threads, { traffic, moveHistory, links: [{ a: deviceId('d-0'), b: deviceId('d-1'), latencyMs: 0.1, bytesPerSecond: 2e9 }] });
}

function measure(label: string, snapshot: ClusterSnapshot, movesAtOnce: number): void {
  const limits = { ...DEFAULT_PLAN_LIMITS, movesAtOnce, movesPerDevice: movesAtOnce };
  const timesMs: number[] = [];
  let decisions = plan(snapshot, limits, ids()).decisions;
  for (let i = 0; i < RUNS; i++) {
    const startMs = performance.now();
    decisions = plan(snapshot, limits, ids()).decisions;
    timesMs.push(performance.now() - startMs);
  }
  timesMs.sort((a, b) => a - b);
  const counts = decisions.reduce<Record<string, number>>((all, d) => ({ ...all, [d.action]: (all[d.action] ?? 0) + 1 }), {});
  console.log(`${label.padEnd(44)} median ${timesMs[RUNS >> 1]!.toFixed(1)} ms, worst ${timesMs[RUNS - 1]!.toFixed(1)} ms, ${JSON.stringify(counts)}`);
}

console.log(`${THREADS} threads, ${DEVICES} devices, horizon ${HORIZON_MS / 1_000} s, ${RUNS} runs each`);
measure('idle: nothing fires', big(0), 2);
measure('1 device in 10 in danger, 2 moves at once', big(1), 2);
measure('1 device in 10 in danger, 20 moves at once', big(1), 20);
measure('half of the devices in danger, 2 moves at once', big(5), 2);
measure('half of the devices in danger, 20 at once', big(5), 20);
