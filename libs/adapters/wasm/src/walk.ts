/** Steps through code: what stands behind an opcode, without interest in what it means. */
import { Reader, UnacceptableModule } from './binary.js';
import { FC, OP, PLAIN, PREFIX_FC, PREFIX_FD, type Immediate } from './opcodes.js';
import { valueType } from './module.js';

const REFUSED: Readonly<Record<number, string>> = {
  0x12: 'tail calls', 0x13: 'tail calls', 0x14: 'typed references', 0x15: 'typed references',
  0x06: 'exceptions', 0x07: 'exceptions', 0x08: 'exceptions', 0x09: 'exceptions', 0x0a: 'exceptions', 0x18: 'exceptions', 0x19: 'exceptions', 0x1f: 'exceptions',
  0xfb: 'garbage-collected objects', 0xfe: 'threads and atomic memory access',
};

export function refuseOpcode(op: number): never {
  throw new UnacceptableModule('not-migratable', `it uses ${REFUSED[op] ?? `the instruction 0x${op.toString(16)}`}, which cannot be moved`);
}

function skipOperand(reader: Reader, immediate: Immediate): void {
  if (immediate === 'none') return;
  if (immediate === 'bytes16') { reader.take(16); return; }
  if (immediate === 'lane') { reader.byte(); return; }
  // With the memory's index: V8 has checked that there is such a memory, and `readModule` that a program has only one.
  if (reader.u32() & 0x40) reader.skipLeb();
  reader.skipLeb();
  if (immediate === 'memory-lane') reader.byte();
}

const INDEXES: Readonly<Record<number, number>> = {
  [FC.memoryInit]: 2, [FC.dataDrop]: 1, [FC.memoryCopy]: 2, [FC.memoryFill]: 1, [FC.tableInit]: 2, [FC.elemDrop]: 1,
  [FC.tableCopy]: 2, [FC.tableGrow]: 1, [FC.tableSize]: 1, [FC.tableFill]: 1,
};

function skipPrefixFc(reader: Reader): void {
  const op = reader.u32();
  if (PREFIX_FC[op]) return;
  const indexes = INDEXES[op];
  if (indexes === undefined) refuseOpcode(0xfc);
  for (let i = 0; i < indexes; i++) reader.skipLeb();
}

function skipPrefixFd(reader: Reader): void {
  const op = reader.u32();
  const operation = PREFIX_FD[op];
  if (!operation) throw new UnacceptableModule('not-migratable', `it uses the vector instruction ${op}: relaxed SIMD gives other results on other machines`);
  skipOperand(reader, operation.immediate);
}

/** Moves the reader from behind the opcode to behind the instruction. @throws UnacceptableModule on what is not carried. */
export function skipInstruction(op: number, reader: Reader): void {
  const plain = PLAIN[op];
  if (plain) { skipOperand(reader, plain.immediate); return; }
  switch (op) {
    case OP.block: case OP.loop: case OP.if: reader.s33(); return;
    case OP.brTable: reader.list(() => reader.skipLeb()); reader.skipLeb(); return;
    case OP.callIndirect: reader.skipLeb(); reader.skipLeb(); return;
    case OP.br: case OP.brIf: case OP.call: case OP.refFunc: case OP.localGet: case OP.localSet: case OP.localTee:
    case OP.globalGet: case OP.globalSet: case OP.tableGet: case OP.tableSet: case OP.memorySize: case OP.memoryGrow:
    case OP.i32Const: case OP.i64Const: reader.skipLeb(); return;
    case OP.f32Const: reader.take(4); return;
    case OP.f64Const: reader.take(8); return;
    case OP.refNull: valueType(reader); return;
    case OP.selectTyped: reader.list(() => valueType(reader)); return;
    case OP.prefixFc: skipPrefixFc(reader); return;
    case OP.prefixFd: skipPrefixFd(reader); return;
    case OP.unreachable: case OP.nop: case OP.return: case OP.drop: case OP.select: case OP.refIsNull: case OP.else: case OP.end: return;
    default: refuseOpcode(op);
  }
}
