/**
 * The code of one function as a list of instructions, with what each does to the operand stack. Only for code that
 * `body.ts` has written: nothing unreachable is in it, so the types on the stack are known everywhere.
 */
import { Reader } from './binary.js';
import type { FunctionType, Module } from './module.js';
import { BYTE_TYPE, FC, OP, PLAIN, PREFIX_FC, PREFIX_FD, TYPE_BYTE, type ValueType } from './opcodes.js';
import { skipInstruction } from './walk.js';

export interface Instruction {
  readonly op: number;
  /** Where it begins, where its operands begin, and where it ends, in the code. */
  readonly begin: number;
  readonly at: number;
  readonly end: number;
}
/** What instructions refer to, by the numbers in the code. */
export interface Names {
  readonly module: Pick<Module, 'types' | 'globals' | 'tables'>;
  readonly locals: readonly ValueType[];
  /** Type of a function. */
  typeOf(callee: number): FunctionType;
}

export function decode(code: Uint8Array): Instruction[] {
  const reader = new Reader(code);
  const found: Instruction[] = [];
  while (!reader.done) {
    const begin = reader.at;
    const op = reader.byte();
    const at = reader.at;
    skipInstruction(op, reader);
    found.push({ op, begin, at, end: reader.at });
  }
  return found;
}

const NOTHING: FunctionType = { params: [], results: [] };
/** The type of a block, loop or if; the reader stands at its operands. */
export function blockType(operands: Reader, types: readonly FunctionType[]): FunctionType {
  const code = operands.s33();
  if (code === -64) return NOTHING;
  return code < 0 ? { params: [], results: [BYTE_TYPE.get(code & 0x7f)!] } : types[code]!;
}

/** What an instruction takes from the stack and puts there. `select` takes what lies there: ask with the top's type. */
export function effectOf(op: number, operands: Reader, names: Names, top: () => ValueType): { takes: number; gives: readonly ValueType[] } {
  const plain = PLAIN[op];
  if (plain) return { takes: plain.takes.length, gives: plain.gives };
  const { module } = names;
  switch (op) {
    case OP.nop: return { takes: 0, gives: [] };
    case OP.drop: case OP.localSet: case OP.globalSet: case OP.brIf: return { takes: 1, gives: [] };
    case OP.select: case OP.selectTyped: return { takes: 3, gives: [top()] };
    case OP.call: {
      const type = names.typeOf(operands.u32());
      return { takes: type.params.length, gives: type.results };
    }
    case OP.callIndirect: {
      const type = module.types[operands.u32()]!;
      return { takes: type.params.length + 1, gives: type.results };
    }
    case OP.localGet: return { takes: 0, gives: [names.locals[operands.u32()]!] };
    case OP.localTee: return { takes: 1, gives: [names.locals[operands.u32()]!] };
    case OP.globalGet: return { takes: 0, gives: [module.globals[operands.u32()]!.type] };
    case OP.tableGet: return { takes: 1, gives: [module.tables[operands.u32()]!.type] };
    case OP.tableSet: return { takes: 2, gives: [] };
    case OP.memorySize: case OP.i32Const: return { takes: 0, gives: ['i'] };
    case OP.memoryGrow: case OP.refIsNull: return { takes: 1, gives: ['i'] };
    case OP.i64Const: return { takes: 0, gives: ['I'] };
    case OP.f32Const: return { takes: 0, gives: ['f'] };
    case OP.f64Const: return { takes: 0, gives: ['F'] };
    case OP.refNull: return { takes: 0, gives: [operands.byte() === TYPE_BYTE.x ? 'x' : 'r'] };
    case OP.refFunc: return { takes: 0, gives: ['r'] };
    case OP.prefixFd: {
      const operation = PREFIX_FD[operands.u32()]!;
      return { takes: operation.takes.length, gives: operation.gives };
    }
    case OP.prefixFc: return bulkEffect(operands.u32());
    default: throw new Error(`no effect on the stack is known of instruction 0x${op.toString(16)}`);
  }
}

function bulkEffect(op: number): { takes: number; gives: readonly ValueType[] } {
  const conversion = PREFIX_FC[op];
  if (conversion) return { takes: conversion.takes.length, gives: conversion.gives };
  if (op === FC.tableSize) return { takes: 0, gives: ['i'] };
  if (op === FC.dataDrop || op === FC.elemDrop) return { takes: 0, gives: [] };
  return op === FC.tableGrow ? { takes: 2, gives: ['i'] } : { takes: 3, gives: [] };
}
