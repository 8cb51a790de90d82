import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CARD_BYTES, EXPORT_RUN, EXPORT_SAVED, savingBase, WASM_PAGE_BYTES } from './abi.js';
import { ALL_PARTS, rewriteModule } from './rewrite.js';
import { RIG_LIMITS } from './wasm-rig.js';
import { wat } from './wat-rig.js';
import { markWritten, WrittenCards } from './written-cards.js';

const PAGES = 4;
const MEMORY_BYTES = PAGES * WASM_PAGE_BYTES;
const ZERO = Buffer.alloc(CARD_BYTES);
/** Where a program finds the address that it shall write to, and a length. */
const ARGUMENTS = '(local $to i32) (local $length i32) (local.set $to (i32.load (i32.const 0))) (local.set $length (i32.load (i32.const 4)))';

interface Tracked {
  readonly memory: Uint8Array;
  readonly cards: WrittenCards;
  run(to: number, length: number): void;
}
function tracked(instructions: string, more = ''): Tracked {
  const module = wat(`(module (memory (export "memory") ${PAGES}) ${more} (func (export "_start") ${ARGUMENTS} ${instructions}))`);
  const { bytes, description } = rewriteModule(module, { ...RIG_LIMITS, memoryBytes: MEMORY_BYTES }, { ...ALL_PARTS, tracksWrites: true });
  expect(description.cardPages).toBe(1);
  const shared = (pages: number): WebAssembly.Memory => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const memories = { memory: shared(PAGES), control: shared(1), stack: shared(description.stackPages), cards: shared(1) };
  const instance = new WebAssembly.Instance(new (WebAssembly.Module as unknown as new (b: Uint8Array) => WebAssembly.Module)(bytes), { godwit: { ...memories, poll() {} }, wasi_snapshot_preview1: {} });
  (instance.exports[EXPORT_SAVED] as WebAssembly.Global).value = savingBase(RIG_LIMITS.stackBytes);
  const words = new Uint32Array(memories.memory.buffer);
  return {
    memory: new Uint8Array(memories.memory.buffer), cards: new WrittenCards(memories.cards),
    run(to, length) {
      words[0] = to;
      words[1] = length;
      (instance.exports[EXPORT_RUN] as () => void)();
    },
  };
}

const blocksOf = (bits: Uint8Array): number[] => Array.from({ length: bits.length * 8 }, (_, b) => b).filter((b) => bits[b >> 3]! & (1 << (b & 7)));
/** Blocks of `memory` that hold anything, apart from the arguments. */
function changedBlocks(memory: Uint8Array): number[] {
  const found: number[] = [];
  for (let block = 0; block * CARD_BYTES < memory.length; block++) {
    const from = block === 0 ? 8 : block * CARD_BYTES;
    if (ZERO.compare(memory, from, (block + 1) * CARD_BYTES, 0, (block + 1) * CARD_BYTES - from) !== 0) found.push(block);
  }
  return found;
}

const STORES: readonly (readonly [name: string, value: string, bytes: number, lane: string])[] = [
  ['i32.store', '(i32.const -1)', 4, ''], ['i32.store8', '(i32.const -1)', 1, ''], ['i32.store16', '(i32.const -1)', 2, ''],
  ['i64.store', '(i64.const -1)', 8, ''], ['i64.store8', '(i64.const -1)', 1, ''], ['i64.store16', '(i64.const -1)', 2, ''], ['i64.store32', '(i64.const -1)', 4, ''],
  ['f32.store', '(f32.const -1.17549449)', 4, ''], ['f64.store', '(f64.const -1.2345678901234567)', 8, ''], ['v128.store', '(v128.const i64x2 -1 -1)', 16, ''],
  ['v128.store8_lane', '(v128.const i64x2 -1 -1)', 1, '15'], ['v128.store16_lane', '(v128.const i64x2 -1 -1)', 2, '7'],
  ['v128.store32_lane', '(v128.const i64x2 -1 -1)', 4, '3'], ['v128.store64_lane', '(v128.const i64x2 -1 -1)', 8, '1'],
];
const OFFSETS = [0, 1, 4_080, 4_095, 4_096, 69_630];
/** Mostly where something may go wrong: around the edges of blocks. */
const near = (most: number): fc.Arbitrary<number> => fc.oneof(
  fc.integer({ min: 8, max: most }), fc.tuple(fc.integer({ min: 1, max: Math.floor(most / CARD_BYTES) }), fc.integer({ min: -17, max: 17 })).map(([block, by]) => Math.min(most, block * CARD_BYTES + by)),
);

describe('the cards of what was written', () => {
  it.each(STORES)('tell each block that %s touches, wherever it stands', (name, value, bytes, lane) => {
    for (const offset of OFFSETS) {
      const { memory, cards, run } = tracked(`(${name} offset=${offset} align=1 ${lane} (local.get $to) ${value})`);
      cards.take(MEMORY_BYTES);
      cards.take(MEMORY_BYTES);
      fc.assert(fc.property(near(MEMORY_BYTES - offset - bytes), (to) => {
        run(to, 0);
        const changed = changedBlocks(memory);
        const told = blocksOf(cards.take(MEMORY_BYTES)!);
        cards.take(MEMORY_BYTES);
        expect(changed.length).toBeGreaterThan(0);
        expect(told).toEqual(expect.arrayContaining(changed));
        expect(told.length).toBeLessThanOrEqual(2);
        memory.fill(0);
      }), { numRuns: 40 });
    }
  });

  it.each([
    ['memory.fill', '(memory.fill (local.get $to) (i32.const 255) (local.get $length))', ''],
    ['memory.copy', '(memory.copy (local.get $to) (i32.const 200000) (local.get $length))', '(data (i32.const 200000) "full")'],
    ['memory.init', '(memory.init $part (local.get $to) (i32.const 0) (local.get $length))', `(data $part "${'x'.repeat(20_000)}")`],
  ])('tell each block that %s touches, and none when it touches nothing', (_name, instructions, more) => {
    const { memory, cards, run } = tracked(instructions, more);
    cards.take(MEMORY_BYTES);
    cards.take(MEMORY_BYTES);
    fc.assert(fc.property(near(150_000), fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constantFrom(0, 1, 4_096, 4_097, 8_192)), (to, length) => {
      if (more.includes('200000')) memory.fill(7, 200_000, 230_000);
      run(to, length);
      memory.fill(0, 200_000, 230_000);
      const told = blocksOf(cards.take(MEMORY_BYTES)!);
      cards.take(MEMORY_BYTES);
      expect(told).toEqual(expect.arrayContaining(changedBlocks(memory)));
      expect(told.length).toBeLessThanOrEqual(length === 0 ? 0 : Math.ceil(length / CARD_BYTES) + 2);
      memory.fill(0);
    }), { numRuns: 200 });
  });

  it('leave an instruction that traps as it is', () => {
    const { run } = tracked('(i32.store (local.get $to) (i32.const 1)) (memory.fill (local.get $to) (i32.const 1) (local.get $length))');
    for (const [to, length] of [[MEMORY_BYTES - 3, 0], [0xffff_fffc, 0], [16, MEMORY_BYTES]] as const) expect(() => run(to, length)).toThrow(WebAssembly.RuntimeError);
    expect(() => run(MEMORY_BYTES - 4, 0)).not.toThrow();
  });

  it('know nothing at first, and tell each write twice, also those of the host', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const cards = new WrittenCards(memory);
    const marks = new Uint8Array(memory.buffer);
    markWritten(marks, CARD_BYTES * 3 - 1, 2);
    expect(cards.take(MEMORY_BYTES)).toBeUndefined();
    markWritten(marks, CARD_BYTES * 9, 0);
    expect(blocksOf(cards.take(MEMORY_BYTES)!)).toEqual([2, 3, 4]);
    markWritten(marks, MEMORY_BYTES - 1, 1);
    expect(blocksOf(cards.take(MEMORY_BYTES)!)).toEqual([63]);
    expect(blocksOf(cards.take(MEMORY_BYTES)!)).toEqual([63]);
    expect(blocksOf(cards.take(MEMORY_BYTES)!)).toEqual([]);
  });
});
