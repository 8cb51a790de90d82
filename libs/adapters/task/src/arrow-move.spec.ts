import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { ThreadSnapshot } from '@godwit/snapshot';
import { message, programOf, recordOf, Rig } from './task-rig.js';

/** As a bundler would put it before the program: the library's own one-file build, with nothing around it. */
async function bundled(): Promise<string> {
  const file = join(dirname(createRequire(import.meta.url).resolve('apache-arrow')), 'Arrow.es2015.min.js');
  return `const arrow = {}; (function (exports, module, define) { ${await readFile(file, 'utf8')} }).call(globalThis, arrow, { exports: arrow }, undefined);`;
}

const MARKET = `
  import { arrowCodec, defineThread } from '@godwit/sdk';
  const codec = arrowCodec(arrow, {
    toTable: ({ prices, sold }) => arrow.tableFromArrays({ price: prices, sold }),
    fromTable: (table) => ({ prices: table.getChild('price').toArray().slice(), sold: table.getChild('sold').toArray().slice() }),
  });
  export default defineThread({
    name: 'market', version: '1', deterministic: true, codec,
    initial: () => ({ prices: new Float64Array(1000).fill(1), sold: new Int32Array(1000) }),
    onMessage(ctx, message, state) {
      const { item } = message.json();
      for (let i = 0; i < 20; i++) {
        const at = (item * 37 + i * 61) % 1000;
        state.sold[at] += 1;
        state.prices[at] *= 1 + (ctx.random() - 0.5) / 10;
      }
      ctx.emit('sum', { sold: state.sold.reduce((a, b) => a + b), prices: state.prices.reduce((a, b) => a + b) });
    },
  });`;

describe('a task whose state is Arrow', () => {
  const records = Array.from({ length: 12 }, (_, i) => recordOf(i + 1, { messages: [message('order', { item: i })], end: i === 11 }));

  it('moves between all its records and puts out what an unmoved one does', async () => {
    const program = programOf(`${await bundled()}\n${MARKET}`, { memoryBytes: 4 << 20 });
    await using stayed = await Rig.of(program);
    stayed.thread.feed(records);
    await stayed.until('the exit', () => stayed.exits.length > 0);
    const got: string[] = [];
    let snapshot: ThreadSnapshot | undefined;
    for (let i = 0; i < records.length; i += 3) {
      await using rig = await Rig.of(program, snapshot ? 'staged' : 'started');
      if (snapshot) {
        expect(await rig.thread.restore(snapshot)).toBeUndefined();
        rig.thread.resume();
      }
      rig.thread.feed(records.slice(i, i + 3));
      await rig.untilConsumed(records[i + 2]!.seq);
      snapshot = await rig.take();
      got.push(...rig.outputs.map(({ hash }) => hash));
    }
    // Columns, not text: 1,000 prices of 8 bytes and 1,000 counts of 4, and a head.
    const state = snapshot!.sections.find(({ name }) => name === 'state')!.bytes.length;
    expect(state).toBeGreaterThan(12_000);
    expect(state).toBeLessThan(14_000);
    expect(got).toEqual(stayed.outputs.map(({ hash }) => hash));
  });

  it('refuses a library or a state that lacks a function, by its name', async () => {
    const wrong = (codec: string) => Rig.prepare(programOf(`import { arrowCodec, defineThread } from '@godwit/sdk';
      export default defineThread({ name: 'x', version: '1', codec: ${codec}, initial: () => 0, onMessage() {} });`));
    expect(await wrong('arrowCodec({}, {})')).toMatchObject({ code: 'invalid-program', reason: expect.stringContaining('tableToIPC') as unknown });
    expect(await wrong('arrowCodec({ tableToIPC() {}, tableFromIPC() {} }, {})')).toMatchObject({ code: 'invalid-program', reason: expect.stringContaining('toTable') as unknown });
  });
});
