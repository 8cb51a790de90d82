/**
 * A module taken apart into what the instrumentation changes; everything else stays as the bytes that it is. V8 has
 * validated the module before (`WebAssembly.validate`), so what is checked here is only what *we* cannot carry.
 */
import { Reader, UnacceptableModule } from './binary.js';
import { BYTE_TYPE, OP, type ValueType } from './opcodes.js';
import { WASI_MODULE, WASI_SIGNATURES } from './wasi-signatures.js';
import { RESERVED_EXPORT, WASM_PAGE_BYTES } from './abi.js';

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}
export interface Limits {
  readonly minimum: number;
  readonly maximum: number | undefined;
}
export interface Table extends Limits {
  readonly type: 'r' | 'x';
}
export interface Global {
  readonly type: ValueType;
  readonly mutable: boolean;
  /** The constant expression, `end` included. */
  readonly init: Uint8Array;
}
/** A segment of data or elements: its bytes as they stand, with the spots where a function index stands. */
export interface Segment {
  readonly passive: boolean;
  readonly bytes: Uint8Array;
  readonly functions: readonly number[];
  /** Offsets in `bytes` of each function index, for re-numbering; [from, to) of its LEB128. */
  readonly spots: readonly (readonly [number, number])[];
}
export interface FunctionBody {
  readonly type: number;
  /** Runs of equal local types. */
  readonly locals: readonly (readonly [count: number, type: ValueType])[];
  /** The instructions, up to and including the last `end`. */
  readonly code: Uint8Array;
}
export interface Module {
  readonly types: readonly FunctionType[];
  readonly imports: readonly { readonly name: string; readonly type: number }[];
  readonly functions: readonly FunctionBody[];
  readonly tables: readonly Table[];
  readonly memory: Limits;
  readonly globals: readonly Global[];
  readonly startFunction: number | undefined;
  /** The exported `_start`. */
  readonly entry: number;
  readonly elements: readonly Segment[];
  readonly data: readonly Segment[];
}

const MAX_FUNCTIONS = 50_000;
const MAX_LOCALS = 50_000;
const cannot = (reason: string): never => {
  throw new UnacceptableModule('not-migratable', reason);
};

export function valueType(reader: Reader): ValueType {
  const byte = reader.byte();
  return BYTE_TYPE.get(byte) ?? cannot(`it uses the type 0x${byte.toString(16)}, of a proposal (typed references, GC, exceptions) whose values cannot be moved`);
}
const signature = (type: FunctionType): string => `${type.params.join('')}:${type.results.join('')}`;

function functionType(reader: Reader): FunctionType {
  const form = reader.byte();
  if (form !== 0x60) cannot('it declares types of the GC proposal, whose values cannot be moved');
  return { params: reader.list(() => valueType(reader)), results: reader.list(() => valueType(reader)) };
}

function limits(reader: Reader, what: string): Limits {
  const flags = reader.byte();
  if (flags & 4) cannot(`its ${what} has 64-bit addresses (memory64)`);
  if (flags & 2) cannot(`its ${what} is shared: a thread has one flow of control; compile without threads`);
  if (flags > 1) cannot(`its ${what} is declared with flags 0x${flags.toString(16)}, which are not known here`);
  const minimum = reader.u32();
  return { minimum, maximum: flags & 1 ? reader.u32() : undefined };
}

function readImport(reader: Reader, types: readonly FunctionType[]): { name: string; type: number } {
  const from = reader.name();
  const name = reader.name();
  const kind = reader.byte();
  const where = `${from}.${name}`;
  const unknown = (why: string): never => {
    throw new UnacceptableModule('unknown-import', `it imports ${where}, ${why}`, where);
  };
  if (kind !== 0) return unknown(`a ${['function', 'table', 'memory', 'global', 'tag'][kind] ?? 'thing of unknown kind'}; only functions of ${WASI_MODULE} are provided`);
  const type = reader.u32();
  const expected = from === WASI_MODULE && Object.hasOwn(WASI_SIGNATURES, name) ? WASI_SIGNATURES[name] : undefined;
  if (expected === undefined) return unknown(`which is no function of ${WASI_MODULE}`);
  const given = types[type];
  if (given === undefined || signature(given) !== expected) return unknown(`with another signature than WASI preview 1 gives it (${expected})`);
  return { name, type };
}

/** Reads a constant expression and notes the function indexes in it. */
function constantExpression(reader: Reader, note: (index: number, from: number, to: number) => void): Uint8Array {
  const begin = reader.at;
  for (;;) {
    const op = reader.byte();
    if (op === OP.end) return reader.bytes.subarray(begin, reader.at);
    if (op === OP.i32Const || op === OP.i64Const || op === OP.globalGet) reader.skipLeb();
    else if (op === OP.f32Const) reader.take(4);
    else if (op === OP.f64Const) reader.take(8);
    else if (op === OP.prefixFd) { reader.u32(); reader.take(16); }
    else if (op === OP.refNull) valueType(reader);
    else if (op === OP.refFunc) { const from = reader.at; note(reader.u32(), from, reader.at); }
    else if (op < 0x6a || op > 0x7e) cannot(`a constant expression holds the instruction 0x${op.toString(16)}, which is not known here`);
  }
}

function elementSegment(reader: Reader): Segment {
  const begin = reader.at;
  const functions: number[] = [];
  const spots: [number, number][] = [];
  const note = (index: number, from: number, to: number): void => {
    functions.push(index);
    spots.push([from - begin, to - begin]);
  };
  const flags = reader.u32();
  const passive = (flags & 3) === 1;
  if (!(flags & 1)) {
    if (flags & 2) reader.u32();
    constantExpression(reader, note);
  }
  if (flags & 4) {
    if (flags & 3) valueType(reader);
    reader.list(() => constantExpression(reader, note));
  } else {
    if (flags & 3) reader.byte();
    reader.list(() => { const from = reader.at; note(reader.u32(), from, reader.at); });
  }
  return { passive, bytes: reader.bytes.subarray(begin, reader.at), functions, spots };
}

function dataSegment(reader: Reader): Segment {
  const begin = reader.at;
  const flags = reader.u32();
  if (flags === 2 && reader.u32() !== 0) cannot('it has more than one memory');
  if (flags !== 1) constantExpression(reader, () => cannot('a data segment stands at the address of a function'));
  reader.take(reader.u32());
  return { passive: flags === 1, bytes: reader.bytes.subarray(begin, reader.at), functions: [], spots: [] };
}

function functionBody(reader: Reader, type: number): FunctionBody {
  const size = reader.u32();
  const end = reader.at + size;
  let total = 0;
  const locals = reader.list(() => {
    const count = reader.u32();
    total += count;
    if (total > MAX_LOCALS) cannot(`a function has more than ${MAX_LOCALS} locals`);
    return [count, valueType(reader)] as const;
  });
  return { type, locals, code: reader.take(end - reader.at) };
}

interface Parts {
  types: FunctionType[];
  imports: { name: string; type: number }[];
  declared: number[];
  functions: FunctionBody[];
  tables: Table[];
  memories: Limits[];
  globals: Global[];
  exports: { name: string; kind: number; index: number }[];
  startFunction: number | undefined;
  elements: Segment[];
  data: Segment[];
}

function readTable(reader: Reader): Table {
  const type = valueType(reader);
  if (type !== 'r' && type !== 'x') return cannot('it has a table of a type that is not known here');
  return { type, ...limits(reader, 'table') };
}

const SECTIONS: Readonly<Record<number, (reader: Reader, parts: Parts) => void>> = {
  1: (r, p) => { p.types = r.list(() => functionType(r)); },
  2: (r, p) => { p.imports = r.list(() => readImport(r, p.types)); },
  3: (r, p) => { p.declared = r.list(() => r.u32()); },
  4: (r, p) => { p.tables = r.list(() => readTable(r)); },
  5: (r, p) => { p.memories = r.list(() => limits(r, 'memory')); },
  6: (r, p) => {
    p.globals = r.list(() => ({
      type: valueType(r), mutable: r.byte() === 1, init: constantExpression(r, () => cannot('a global holds a function')),
    }));
  },
  7: (r, p) => { p.exports = r.list(() => ({ name: r.name(), kind: r.byte(), index: r.u32() })); },
  8: (r, p) => { p.startFunction = r.u32(); },
  9: (r, p) => { p.elements = r.list(() => elementSegment(r)); },
  10: (r, p) => { p.functions = r.list((i) => functionBody(r, p.declared[i]!)); },
  11: (r, p) => { p.data = r.list(() => dataSegment(r)); },
  12: () => undefined,
  13: () => cannot('it uses exceptions, which cannot be moved: compile without them (for C++: -fno-exceptions)'),
};

function checkExports(parts: Parts): number {
  if (!parts.exports.some((e) => e.kind === 2)) cannot('it exports no memory, as a WASI command does');
  const reserved = parts.exports.find((e) => RESERVED_EXPORT.test(e.name));
  if (reserved) cannot(`it exports ${reserved.name}, a name that the instrumentation itself needs; register the module as the compiler made it`);
  const entry = parts.exports.find((e) => e.kind === 0 && e.name === '_start');
  if (!entry) return cannot('it exports no function _start, as a WASI command does (a reactor or a library cannot run by itself)');
  const body = parts.functions[entry.index - parts.imports.length];
  const type = body && parts.types[body.type];
  if (!type || signature(type) !== ':') return cannot('its _start takes or returns something');
  return entry.index;
}

/** @throws UnacceptableModule naming what stands in the way. */
export function readModule(bytes: Uint8Array, maximum: { memoryBytes: number; tableEntries: number }): Module {
  const reader = new Reader(bytes, 8);
  const parts: Parts = {
    types: [], imports: [], declared: [], functions: [], tables: [], memories: [], globals: [], exports: [], startFunction: undefined, elements: [], data: [],
  };
  while (!reader.done) {
    const id = reader.byte();
    const content = reader.take(reader.u32());
    if (id === 0) continue;
    const section = SECTIONS[id];
    if (!section) cannot(`it has a section ${id}, which is not known here`);
    else section(new Reader(content), parts);
  }
  if (parts.declared.length > MAX_FUNCTIONS) cannot(`it has ${parts.declared.length} functions, more than ${MAX_FUNCTIONS}`);
  const entry = checkExports(parts);
  const memory = parts.memories[0];
  if (!memory || parts.memories.length > 1) return cannot('it needs exactly one memory of its own');
  if (memory.minimum * WASM_PAGE_BYTES > maximum.memoryBytes) {
    throw new UnacceptableModule('limit-exceeded', `it begins with ${memory.minimum * WASM_PAGE_BYTES} bytes of memory, and its limit is ${maximum.memoryBytes}`, 'limits.memoryBytes');
  }
  const large = parts.tables.find((t) => t.minimum > maximum.tableEntries);
  if (large) {
    throw new UnacceptableModule('limit-exceeded', `it begins with a table of ${large.minimum} entries, and its limit is ${maximum.tableEntries}`, 'limits.tableEntries');
  }
  const held = parts.globals.findIndex((g) => g.mutable && (g.type === 'r' || g.type === 'x'));
  if (held >= 0) cannot(`its global ${held} can change and holds a reference, which cannot be moved`);
  return {
    types: parts.types, imports: parts.imports, functions: parts.functions, tables: parts.tables, memory, globals: parts.globals,
    startFunction: parts.startFunction, entry, elements: parts.elements, data: parts.data,
  };
}
