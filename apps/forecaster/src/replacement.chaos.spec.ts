/** Two built forecasters share the series; one is killed with -9 and replaced. Its series go on from the history, within the warm-up. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deviceId, isRefusal, threadId } from '@godwit/kernel';
import { connectNats, ensureStreams, type NatsLink } from '@godwit/nats';
import { startTestNats, type TestNats } from '@godwit/testing';
import { forecastCodec, STREAMS, SUBJECTS, traceBatchCodec, type ForecastMessage } from '@godwit/wire';
import { batchBytes, type Readings } from './rig.fixture.js';
import { isInShare } from './share.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** From the start of a forecaster to the first forecasts of all that it takes over: the replay of the history and a little. */
const WARM_UP_MS = 30_000;
const LEARN_MS = 90_000;
/** Two messages of history: what the killed one has not written is lost. */
const OBSERVATIONS = 23;
const DEVICE = deviceId('d1');
const THREADS = Array.from({ length: 8 }, (_, i) => threadId(`t${i}`));
const IDS = [DEVICE as string, ...THREADS];

describe('a forecaster that is killed', () => {
  let server: TestNats;
  let link: NatsLink;
  let sampling: NodeJS.Timeout;
  const children: ChildProcess[] = [];
  const newest = new Map<string, { forecast: ForecastMessage; atMs: number }>();
  let complaints = '';

  beforeAll(async () => {
    server = await startTestNats();
    link = await connectNats({ url: server.url, name: 'spec' });
    await ensureStreams(link, { replicas: 1, registrySubjects: STREAMS.registry.subjects });
    link.nc.subscribe('godwit.forecast.*.*', {
      callback: (_, { data }) => {
        const forecast = forecastCodec.decode(data);
        if (!isRefusal(forecast)) newest.set(forecast.id, { forecast, atMs: performance.now() });
      },
    });
    sampling = setInterval(sample, 250);
  }, 60_000);
  afterAll(async () => {
    clearInterval(sampling);
    for (const child of children) child.kill('SIGKILL');
    await link.close();
    await server[Symbol.asyncDispose]();
  }, 60_000);

  /** Each thread wavers at a level of its own, so that weights do not stay equal. */
  function sample(): void {
    const nowMs = Date.now();
    const readings: Record<string, Record<string, number>> = { '': { 'cpu.cores': 1, 'cpu.capacity_cores': 4 } };
    THREADS.forEach((thread, i) => (readings[thread] = { 'cpu.cores': 0.1 * (i + 1) + 0.03 * Math.sin(nowMs / (900 + 100 * i)) }));
    link.nc.publish(SUBJECTS.metrics(DEVICE), batchBytes(DEVICE, [nowMs], readings as Readings));
    const counters = [{ name: 'loop:work', count: 1_000 }];
    link.nc.publish(SUBJECTS.trace(DEVICE), traceBatchCodec.encode({ device: DEVICE, atMs: nowMs, spanMs: 250, threads: THREADS.map((thread) => ({ thread, counters })), edges: [] }));
  }

  function start(share: string): ChildProcess {
    const child = spawn(process.execPath, [MAIN], { env: { ...process.env, NODE_OPTIONS: '', GODWIT_NATS_URL: server.url, GODWIT_SHARE: share, GODWIT_NEURAL: 'off', GODWIT_ADMIN_PORT: '0', GODWIT_LOG_LEVEL: 'warn' }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream!.setEncoding('utf8').on('data', (text: string) => (complaints = (complaints + text).slice(-4_000)));
    children.push(child);
    return child;
  }

  async function until(what: string, withinMs: number, holds: () => boolean): Promise<void> {
    const endMs = performance.now() + withinMs;
    while (!holds()) {
      if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}; ${JSON.stringify([...newest].map(([id, { forecast }]) => [id, forecast.observations]))} ${complaints}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const weightsOf = (id: string): number[] => newest.get(id)!.forecast.models.map(({ weightRatio }) => weightRatio);

  it('is replaced without a gap longer than the warm-up, and its series go on as they were learnt', async () => {
    start('0/2');
    const victim = start('1/2');
    await until('every series has learnt', LEARN_MS, () => IDS.every((id) => (newest.get(id)?.forecast.observations ?? 0) >= OBSERVATIONS));
    const orphans = IDS.filter((id) => isInShare({ index: 1, of: 2 }, id));
    expect(orphans.length).toBeGreaterThan(1);
    expect(orphans.length).toBeLessThan(IDS.length);

    victim.kill('SIGKILL');
    const killedAtMs = performance.now();
    const before = new Map(orphans.map((id) => [id, newest.get(id)!.forecast.observations]));
    start('1/2');
    await until('all orphans are forecast again', WARM_UP_MS, () => orphans.every((id) => newest.get(id)!.atMs > killedAtMs + 1_000 && newest.get(id)!.forecast.observations >= 1));

    for (const id of orphans) {
      const { observations } = newest.get(id)!.forecast;
      // All but the rows that were not history yet; never from the beginning.
      expect({ id, resumed: observations > before.get(id)! - 12 }).toEqual({ id, resumed: true });
      expect(Math.max(...weightsOf(id)) - Math.min(...weightsOf(id))).toBeGreaterThan(0.01);
    }
    for (const thread of orphans.filter((id) => id !== DEVICE)) expect(newest.get(thread)!.forecast.phase).toMatchObject({ label: 'loop:work', count: 1 });
    // The survivor went on meanwhile.
    for (const id of IDS.filter((one) => !orphans.includes(one))) expect(newest.get(id)!.atMs).toBeGreaterThan(killedAtMs);
  }, LEARN_MS + WARM_UP_MS + 60_000);
});
