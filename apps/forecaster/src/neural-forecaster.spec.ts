import { OperationError } from '@godwit/kernel';
import { createLog } from '@godwit/shell';
import type { NeuralForecaster, Predictions } from '@godwit/tfjs';
import { NeuralRefresh, type NeuralSubject } from './neural-forecaster.js';

class FakeModel implements NeuralForecaster {
  readonly version = '2026-11-21-00000000';
  readonly backend = 'wasm';
  asked = 0;
  refined = 0;
  closed = false;
  failure: Error | undefined;
  constructor(private readonly costMs: number) {}
  async predict(histories: readonly ArrayLike<number>[], steps: number): Promise<Predictions> {
    if (this.failure) throw this.failure;
    this.asked += histories.length;
    return { paths: histories.map(({ length }) => (length < 16 ? undefined : new Float64Array(steps * 9))), busyMs: this.costMs * histories.length };
  }
  async refine() {
    this.refined++;
    return { kept: 1, shippedLoss: 1, refinedLoss: 1, refinedInUse: true, busyMs: 5 };
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

interface Subject extends NeuralSubject { accepted: number; rows: number }
const subject = (steps = 192): Subject => ({
  accepted: 0, rows: 0, historyEndMs: 1_000,
  history: (into) => into.fill(1, 0, Math.min(steps, into.length)) && Math.min(steps, into.length),
  acceptNeural(issuedAtMs, values) {
    expect(issuedAtMs).toBe(1_000);
    this.accepted++;
    this.rows = values.length / 9;
  },
});

function rig(model: FakeModel, subjects: readonly Subject[], refreshMs = 15_000) {
  let nowMs = 0;
  const lines: unknown[] = [];
  const log = createLog('neural-spec', 'silent');
  log.warn = ((line: unknown) => void lines.push(line)) as typeof log.warn;
  const refresh = new NeuralRefresh({ model, log, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs }, subjects: () => subjects, horizonMs: 60_000, refreshMs });
  const run = async (seconds: number): Promise<void> => {
    for (let k = 0; k < seconds; k++) {
      nowMs += 1_000;
      await refresh.tick();
    }
  };
  return { refresh, run, lines };
}

it('refreshes every series once in a period, spread over it, with rows that last until after the next refresh', async () => {
  const model = new FakeModel(0.01);
  const subjects = Array.from({ length: 100 }, () => subject());
  const { run } = rig(model, subjects);
  await run(5);
  expect(model.asked).toBeGreaterThan(20);
  expect(model.asked).toBeLessThan(50);
  await run(10);
  expect(subjects.map(({ accepted }) => accepted)).toEqual(subjects.map(() => 1));
  await run(150);
  expect(Math.min(...subjects.map(({ accepted }) => accepted))).toBeGreaterThanOrEqual(10);
  expect(Math.max(...subjects.map(({ accepted }) => accepted))).toBeLessThanOrEqual(12);
  expect(subjects[0]!.rows).toBe(90);
});

it('spends at most a tenth of the time, and with too many series lets each wait its turn', async () => {
  const model = new FakeModel(1);
  const subjects = Array.from({ length: 5_000 }, () => subject());
  const { refresh, run } = rig(model, subjects);
  await run(100);
  expect(refresh.totals.busyMs).toBeGreaterThan(7_000);
  expect(refresh.totals.busyMs).toBeLessThan(11_000);
  const counts = subjects.map(({ accepted }) => accepted);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(1);
});

it('gives a series that is too young no path, and learns on every minute', async () => {
  const model = new FakeModel(0.1);
  const young = subject(10);
  const { run } = rig(model, [young, subject()]);
  await run(130);
  expect(young.accepted).toBe(0);
  expect(model.refined).toBe(2);
});

it('goes on when the worker is gone, in silence, and tells of anything else', async () => {
  const model = new FakeModel(0.1);
  const one = subject();
  const { run, lines, refresh } = rig(model, [one], 1_000);
  model.failure = new OperationError('unsupported', 'gone', { effect: 'none' });
  await run(5);
  expect(lines).toHaveLength(0);
  model.failure = new Error('odd');
  await run(1);
  expect(lines).toHaveLength(1);
  model.failure = undefined;
  await run(2);
  expect(one.accepted).toBeGreaterThan(0);
  await refresh.stop();
  expect(model.closed).toBe(true);
});
