/**
 * Marks of what was written: a byte, the card, for each block of 4 KiB of the program's memory, in a memory of its own.
 * Each store is followed by one that marks the card of the first byte it may have touched; whoever reads the cards takes
 * the next block for written too, so that stores that cross into it need no second mark.
 *
 * The mark comes behind the store. A reader that clears a card and then looks at the block sees the store, or the mark is
 * still to come and is found the next time. (Before the store, a card could be cleared between the two: a lost write.)
 */
import { CARD_BYTES } from './abi.js';
import type { Reader, Writer } from './binary.js';
import type { AddedLocals } from './float-stack.js';
import { FC, OP, type ValueType } from './opcodes.js';

const CARD_SHIFT = Math.log2(CARD_BYTES);
/** Index of the memory of cards among the module's memories. */
const CARD_MEMORY = 3;
/** Alignment of one byte, and "a memory's index follows". */
const MEMORY_FOLLOWS = 0x40;
const I32_STORE8 = 0x3a;
const I32_SHR_U = 0x76;
const I32_GT_U = 0x4b;
const VOID = 0x40;

interface Store {
  readonly bytes: number;
  readonly type: ValueType;
}
const STORES: Readonly<Record<number, Store>> = {
  0x36: { bytes: 4, type: 'i' }, 0x37: { bytes: 8, type: 'I' }, 0x38: { bytes: 4, type: 'f' }, 0x39: { bytes: 8, type: 'F' },
  0x3a: { bytes: 1, type: 'i' }, 0x3b: { bytes: 2, type: 'i' }, 0x3c: { bytes: 1, type: 'I' }, 0x3d: { bytes: 2, type: 'I' }, 0x3e: { bytes: 4, type: 'I' },
};
const VECTOR_STORES: Readonly<Record<number, Store>> = {
  0x0b: { bytes: 16, type: 'v' }, 0x58: { bytes: 1, type: 'v' }, 0x59: { bytes: 2, type: 'v' }, 0x5a: { bytes: 4, type: 'v' }, 0x5b: { bytes: 8, type: 'v' },
};
const BULK: readonly number[] = [FC.memoryInit, FC.memoryCopy, FC.memoryFill];

/** What `card` marks is this card and, as readers know, the next: [low, low + bytes) of a base's block must end there. */
function markCard(out: Writer, address: number, offset: number, bytes: number): void {
  const low = offset % CARD_BYTES;
  out.byte(OP.localGet).u32(address);
  if (low + bytes > CARD_BYTES + 1) out.byte(OP.i32Const).s32(low).byte(OP.i32Add);
  out.byte(OP.i32Const).s32(CARD_SHIFT).byte(I32_SHR_U, OP.i32Const, 1, I32_STORE8, MEMORY_FOLLOWS).u32(CARD_MEMORY).u32(Math.floor(offset / CARD_BYTES));
}

function trackStore(out: Writer, added: AddedLocals, raw: Uint8Array, { bytes, type }: Store, operands: Reader): void {
  if (operands.u32() & MEMORY_FOLLOWS) operands.u32();
  const [address, value] = [added.get('i', 'written at'), added.get(type, 'written')];
  out.byte(OP.localSet).u32(value).byte(OP.localTee).u32(address).byte(OP.localGet).u32(value).raw(raw);
  markCard(out, address, operands.u32(), bytes);
}

/** Several cards: none where nothing was written, the first and the last, and those between. */
function trackBulk(out: Writer, added: AddedLocals, raw: Uint8Array): void {
  const [to, second, length, last] = [added.get('i', 'written at'), added.get('i', 'written'), added.get('i', 'written bytes'), added.get('i', 'last written')];
  out.byte(OP.localSet).u32(length).byte(OP.localSet).u32(second).byte(OP.localTee).u32(to).byte(OP.localGet).u32(second).byte(OP.localGet).u32(length).raw(raw);
  out.byte(OP.localGet).u32(length).byte(OP.if, VOID);
  markCard(out, to, 0, 1);
  out.byte(OP.localGet).u32(to).byte(OP.localGet).u32(length).byte(OP.i32Add, OP.i32Const, 1, OP.i32Sub, OP.localSet).u32(last);
  markCard(out, last, 0, 1);
  out.byte(OP.localGet).u32(length).byte(OP.i32Const).s32(CARD_BYTES).byte(I32_GT_U, OP.if, VOID);
  out.byte(OP.localGet).u32(to).byte(OP.i32Const).s32(CARD_SHIFT).byte(I32_SHR_U, OP.localTee).u32(to).byte(OP.i32Const, 1);
  out.byte(OP.localGet).u32(last).byte(OP.i32Const).s32(CARD_SHIFT).byte(I32_SHR_U, OP.localGet).u32(to).byte(OP.i32Sub, OP.prefixFc, FC.memoryFill).u32(CARD_MEMORY);
  out.byte(OP.end, OP.end);
}

/** Writes the instruction with its mark, if it writes to memory; else false. @param operands stands behind the opcode */
export function writeTracked(out: Writer, added: AddedLocals, op: number, raw: Uint8Array, operands: Reader): boolean {
  const plain = STORES[op];
  if (plain) {
    trackStore(out, added, raw, plain, operands);
    return true;
  }
  if (op !== OP.prefixFd && op !== OP.prefixFc) return false;
  const operation = operands.u32();
  const vector = op === OP.prefixFd ? VECTOR_STORES[operation] : undefined;
  if (vector) trackStore(out, added, raw, vector, operands);
  else if (op === OP.prefixFc && BULK.includes(operation)) trackBulk(out, added, raw);
  else return false;
  return true;
}
