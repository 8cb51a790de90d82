import { describe, expect, it } from '@jest/globals';
import type { FromRunner, InputRecord, Runtime, ThreadProgram, ToRunner } from '@godwit/runtime';
import { Runner } from './runner.js';

/** A thread that drops what it is fed while it stands, as both runtimes do. */
function standing(): { readonly runtime: Runtime; readonly fed: number[] } {
  const fed: number[] = [];
  let goes = false;
  const instance = {
    start: async () => { await Promise.resolve(); goes = true; },
    resume: () => { goes = true; },
    freeze: async () => { goes = false; },
    feed: (records: readonly InputRecord[]) => { if (goes) fed.push(...records.map(({ seq }) => seq)); },
    stop: async () => undefined, setDuty: () => undefined,
  };
  return { runtime: { kind: 'task', prepare: async () => instance } as unknown as Runtime, fed };
}

const request = (id: number, name: string, more: object = {}): ToRunner => ({ type: 'request', id, name, ...more }) as unknown as ToRunner;
const feed = (...seqs: readonly number[]): ToRunner => ({ type: 'feed', records: seqs.map((seq) => ({ seq }) as InputRecord) });

describe('a runner', () => {
  it('feeds what comes in one row with a start or a resume behind it, in order and without loss', async () => {
    const { runtime, fed } = standing();
    const replies: FromRunner[] = [];
    let settled: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (settled = resolve));
    const runner = new Runner([runtime], (message) => {
      if (replies.push(message) === 5) settled();
    });
    const row = [
      request(1, 'prepare', { program: { runtime: 'task' } as ThreadProgram }), request(2, 'start'), feed(1), feed(2, 3),
      request(3, 'freeze'), feed(4), request(4, 'resume'), feed(4, 5), request(5, 'stop'),
    ];
    // As the channel hands over what has arrived together: without a pause in between.
    for (const message of row) runner.accept(message, undefined);
    await all;
    expect(replies.map(({ type }) => type)).toEqual(['reply', 'reply', 'reply', 'reply', 'reply']);
    expect(fed).toEqual([1, 2, 3, 4, 5]);
  });
});
