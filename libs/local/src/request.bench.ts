/**
 * A request to a thread, answered: two durable records (the request, its answer) and the hops between gateway, agent and
 * runner, one request at a time and sixteen at once; beside a bare NATS request to an echo in the same run.
 * Leaves out: networks between machines, replicas, a thread that computes. All on one machine of few cores.
 *   npm run bench -- local/request
 */
import { expect, it } from '@jest/globals';
import { Loop } from './loop.fixture.js';

const REQUESTS = 300;
const AT_ONCE = 16;
const ECHO = `import { defineThread, jsonCodec } from '@godwit/sdk';
  export default defineThread({ name: 'echo', version: '1', deterministic: true, initial: () => ({ n: 0 }), codec: jsonCodec(),
    onMessage(ctx, message, state) { state.n += 1; ctx.emit('n', { n: state.n }); return state; } });`;

/** Times of `count` requests, `atOnce` of them under way at any moment, ms, sorted. */
async function timed(count: number, atOnce: number, ask: () => Promise<unknown>): Promise<number[]> {
  const tookMs: number[] = [];
  let left = count;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) {
      const begin = performance.now();
      await ask();
      tookMs.push(performance.now() - begin);
    }
  }));
  return tookMs.sort((a, b) => a - b);
}
const at = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;

it('prints what a durable answer costs', async () => {
  await using loop = await Loop.start({ policy: 'off' });
  await loop.thread('echo', 'task', await loop.put(ECHO));
  loop.link.nc.subscribe('spec.echo', { callback: (_error, message) => void message.respond(message.data) });
  const durable = async (): Promise<void> => {
    const reply = await loop.link.nc.request('godwit.request.echo', '1', { timeout: 30_000 });
    expect(reply.headers?.get('Godwit-Output')).toMatch(/^\d+$/);
  };
  const bare = (): Promise<unknown> => loop.link.nc.request('spec.echo', '1', { timeout: 30_000 });
  await timed(50, 1, durable);
  for (const atOnce of [1, AT_ONCE]) {
    const [ours, echo] = [await timed(REQUESTS, atOnce, durable), await timed(REQUESTS, atOnce, bare)];
    console.log(`${atOnce} at once: durable answer p50 ${at(ours, 0.5).toFixed(2)} ms, p99 ${at(ours, 0.99).toFixed(2)} ms; bare NATS echo p50 ${at(echo, 0.5).toFixed(2)} ms, p99 ${at(echo, 0.99).toFixed(2)} ms; × ${(at(ours, 0.5) / at(echo, 0.5)).toFixed(1)} at the median`);
  }
}, 180_000);
