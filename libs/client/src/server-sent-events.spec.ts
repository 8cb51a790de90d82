import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseEvents, type ServerSentEvent } from './server-sent-events.js';

async function parsed(chunks: readonly string[]): Promise<(ServerSentEvent | undefined)[]> {
  const found: (ServerSentEvent | undefined)[] = [];
  for await (const event of parseEvents((async function* () { yield* chunks; })())) found.push(event);
  return found;
}

describe('server-sent events', () => {
  it('are the same however the stream is cut', async () => {
    const stream = 'retry: 1000\n\nid: 1\ndata: {"a":"b: c"}\n\n: alive\n\nid: 2\nevent: problem\ndata: x\ndata: y\n\n';
    const whole = await parsed([stream]);
    expect(whole).toEqual([undefined, { id: '1', event: 'message', data: '{"a":"b: c"}' }, undefined, { id: '2', event: 'problem', data: 'x\ny' }]);
    await fc.assert(fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: stream.length - 1 })), async (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length];
      expect(await parsed(places.slice(1).map((end, i) => stream.slice(places[i], end)))).toEqual(whole);
    }), { numRuns: 100 });
  });

  it('leave out an event that was cut off', async () => {
    expect(await parsed(['id: 1\ndata: whole\n\nid: 2\ndata: ha'])).toEqual([{ id: '1', event: 'message', data: 'whole' }]);
  });
});
