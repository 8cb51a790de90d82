/**
 * What each instruction carries (immediates) and does to the operand stack, for everything of WebAssembly 2.0 that a
 * migratable program may hold. Types are letters: i i32, I i64, f f32, F f64, v v128, r funcref, x externref.
 * An instruction that is not listed is refused: better a refusal at registration than a wrong move later.
 */
export type ValueType = 'i' | 'I' | 'f' | 'F' | 'v' | 'r' | 'x';

export const TYPE_BYTE: Readonly<Record<ValueType, number>> = { i: 0x7f, I: 0x7e, f: 0x7d, F: 0x7c, v: 0x7b, r: 0x70, x: 0x6f };
export const BYTE_TYPE: ReadonlyMap<number, ValueType> = new Map(
  (Object.entries(TYPE_BYTE) as [ValueType, number][]).map(([type, byte]) => [byte, type]),
);

/** Immediates: none, memory argument, memory argument and lane, lane, 16 bytes. */
export type Immediate = 'none' | 'memory' | 'memory-lane' | 'lane' | 'bytes16';

export interface Operation {
  readonly takes: readonly ValueType[];
  readonly gives: readonly ValueType[];
  readonly immediate: Immediate;
  /** Computes a float whose NaN bits the specification leaves open. */
  readonly arithmetic: boolean;
}

function parse(signature: string, immediate: Immediate, arithmetic: boolean): Operation {
  const [takes, gives] = signature.split(':') as [string, string];
  return { takes: [...takes] as ValueType[], gives: [...gives] as ValueType[], immediate, arithmetic };
}

function table(rows: readonly (readonly [from: number, to: number, signature: string, immediate?: Immediate])[], isArithmetic: (op: number) => boolean): (Operation | undefined)[] {
  const operations: (Operation | undefined)[] = [];
  for (const [from, to, signature, immediate] of rows) {
    for (let op = from; op <= to; op++) operations[op] = parse(signature, immediate ?? 'none', isArithmetic(op));
  }
  return operations;
}
const among = (...ranges: readonly (readonly [number, number])[]) => (op: number): boolean => ranges.some(([from, to]) => op >= from && op <= to);

/** One-byte instructions without effect on control, locals, globals and tables. */
export const PLAIN = table([
  [0x28, 0x28, 'i:i', 'memory'], [0x29, 0x29, 'i:I', 'memory'], [0x2a, 0x2a, 'i:f', 'memory'], [0x2b, 0x2b, 'i:F', 'memory'],
  [0x2c, 0x2f, 'i:i', 'memory'], [0x30, 0x35, 'i:I', 'memory'],
  [0x36, 0x36, 'ii:', 'memory'], [0x37, 0x37, 'iI:', 'memory'], [0x38, 0x38, 'if:', 'memory'], [0x39, 0x39, 'iF:', 'memory'],
  [0x3a, 0x3b, 'ii:', 'memory'], [0x3c, 0x3e, 'iI:', 'memory'],
  [0x45, 0x45, 'i:i'], [0x46, 0x4f, 'ii:i'], [0x50, 0x50, 'I:i'], [0x51, 0x5a, 'II:i'], [0x5b, 0x60, 'ff:i'], [0x61, 0x66, 'FF:i'],
  [0x67, 0x69, 'i:i'], [0x6a, 0x78, 'ii:i'], [0x79, 0x7b, 'I:I'], [0x7c, 0x8a, 'II:I'],
  [0x8b, 0x91, 'f:f'], [0x92, 0x98, 'ff:f'], [0x99, 0x9f, 'F:F'], [0xa0, 0xa6, 'FF:F'],
  [0xa7, 0xa7, 'I:i'], [0xa8, 0xa9, 'f:i'], [0xaa, 0xab, 'F:i'], [0xac, 0xad, 'i:I'], [0xae, 0xaf, 'f:I'], [0xb0, 0xb1, 'F:I'],
  [0xb2, 0xb3, 'i:f'], [0xb4, 0xb5, 'I:f'], [0xb6, 0xb6, 'F:f'], [0xb7, 0xb8, 'i:F'], [0xb9, 0xba, 'I:F'], [0xbb, 0xbb, 'f:F'],
  [0xbc, 0xbc, 'f:i'], [0xbd, 0xbd, 'F:I'], [0xbe, 0xbe, 'i:f'], [0xbf, 0xbf, 'I:F'], [0xc0, 0xc1, 'i:i'], [0xc2, 0xc4, 'I:I'],
], among([0x8d, 0x97], [0x9b, 0xa5], [0xb6, 0xb6], [0xbb, 0xbb]));

/** Instructions after the prefix 0xfc that convert; those on memories and tables are treated by name. */
export const PREFIX_FC = table([[0, 1, 'f:i'], [2, 3, 'F:i'], [4, 5, 'f:I'], [6, 7, 'F:I']], () => false);

/** Fixed-width SIMD, after the prefix 0xfd. From 0x100 on it is relaxed SIMD, whose results differ between machines. */
export const PREFIX_FD = table([
  [0x00, 0x0a, 'i:v', 'memory'], [0x0b, 0x0b, 'iv:', 'memory'], [0x0c, 0x0c, ':v', 'bytes16'], [0x0d, 0x0d, 'vv:v', 'bytes16'],
  [0x0e, 0x0e, 'vv:v'], [0x0f, 0x11, 'i:v'], [0x12, 0x12, 'I:v'], [0x13, 0x13, 'f:v'], [0x14, 0x14, 'F:v'],
  [0x15, 0x16, 'v:i', 'lane'], [0x17, 0x17, 'vi:v', 'lane'], [0x18, 0x19, 'v:i', 'lane'], [0x1a, 0x1a, 'vi:v', 'lane'],
  [0x1b, 0x1b, 'v:i', 'lane'], [0x1c, 0x1c, 'vi:v', 'lane'], [0x1d, 0x1d, 'v:I', 'lane'], [0x1e, 0x1e, 'vI:v', 'lane'],
  [0x1f, 0x1f, 'v:f', 'lane'], [0x20, 0x20, 'vf:v', 'lane'], [0x21, 0x21, 'v:F', 'lane'], [0x22, 0x22, 'vF:v', 'lane'],
  [0x23, 0x4c, 'vv:v'], [0x4d, 0x4d, 'v:v'], [0x4e, 0x51, 'vv:v'], [0x52, 0x52, 'vvv:v'], [0x53, 0x53, 'v:i'],
  [0x54, 0x57, 'iv:v', 'memory-lane'], [0x58, 0x5b, 'iv:', 'memory-lane'], [0x5c, 0x5d, 'i:v', 'memory'], [0x5e, 0x62, 'v:v'],
  [0x63, 0x64, 'v:i'], [0x65, 0x66, 'vv:v'], [0x67, 0x6a, 'v:v'], [0x6b, 0x6d, 'vi:v'], [0x6e, 0x73, 'vv:v'], [0x74, 0x75, 'v:v'],
  [0x76, 0x79, 'vv:v'], [0x7a, 0x7a, 'v:v'], [0x7b, 0x7b, 'vv:v'], [0x7c, 0x81, 'v:v'], [0x82, 0x82, 'vv:v'], [0x83, 0x84, 'v:i'],
  [0x85, 0x86, 'vv:v'], [0x87, 0x8a, 'v:v'], [0x8b, 0x8d, 'vi:v'], [0x8e, 0x93, 'vv:v'], [0x94, 0x94, 'v:v'], [0x95, 0x99, 'vv:v'],
  [0x9b, 0x9f, 'vv:v'], [0xa0, 0xa1, 'v:v'], [0xa3, 0xa4, 'v:i'], [0xa7, 0xaa, 'v:v'], [0xab, 0xad, 'vi:v'], [0xae, 0xae, 'vv:v'],
  [0xb1, 0xb1, 'vv:v'], [0xb5, 0xba, 'vv:v'], [0xbc, 0xbf, 'vv:v'], [0xc0, 0xc1, 'v:v'], [0xc3, 0xc4, 'v:i'], [0xc7, 0xca, 'v:v'],
  [0xcb, 0xcd, 'vi:v'], [0xce, 0xce, 'vv:v'], [0xd1, 0xd1, 'vv:v'], [0xd5, 0xdf, 'vv:v'], [0xe0, 0xe1, 'v:v'], [0xe3, 0xe3, 'v:v'],
  [0xe4, 0xeb, 'vv:v'], [0xec, 0xed, 'v:v'], [0xef, 0xef, 'v:v'], [0xf0, 0xf7, 'vv:v'], [0xf8, 0xff, 'v:v'],
], among([0x5e, 0x5f], [0x67, 0x6a], [0x74, 0x75], [0x7a, 0x7a], [0x94, 0x94], [0xe3, 0xe9], [0xef, 0xf5]));

/** True for SIMD arithmetic on two doubles, false on four floats (only for `arithmetic` ones). */
export const isTwoDoubles = among([0x5f, 0x5f], [0x74, 0x75], [0x7a, 0x7a], [0x94, 0x94], [0xef, 0xf5]);

export const OP = {
  unreachable: 0x00, nop: 0x01, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, try: 0x06, catch: 0x07, rethrow: 0x09, end: 0x0b, br: 0x0c, brIf: 0x0d, brTable: 0x0e, return: 0x0f,
  call: 0x10, callIndirect: 0x11, drop: 0x1a, select: 0x1b, selectTyped: 0x1c, localGet: 0x20, localSet: 0x21, localTee: 0x22,
  globalGet: 0x23, globalSet: 0x24, tableGet: 0x25, tableSet: 0x26, i32Load: 0x28, i32Store: 0x36, f32Store: 0x38, f64Store: 0x39, memorySize: 0x3f, memoryGrow: 0x40,
  i32Const: 0x41, i64Const: 0x42, f32Const: 0x43, f64Const: 0x44, i32Eqz: 0x45, i32LtU: 0x49, f32Eq: 0x5b, f64Eq: 0x61, i32Add: 0x6a, i32Sub: 0x6b,
  f32Abs: 0x8b, f32Neg: 0x8c, f32Copysign: 0x98, f64Abs: 0x99, f64Neg: 0x9a, f64Copysign: 0xa6, i32FromF32: 0xbc, i64FromF64: 0xbd,
  f32FromI32: 0xbe, f64FromI64: 0xbf, refNull: 0xd0, refIsNull: 0xd1, refFunc: 0xd2, prefixFc: 0xfc, prefixFd: 0xfd, prefixFe: 0xfe,
} as const;

export const FC = {
  memoryInit: 8, dataDrop: 9, memoryCopy: 10, memoryFill: 11, tableInit: 12, elemDrop: 13, tableCopy: 14, tableGrow: 15, tableSize: 16, tableFill: 17,
} as const;
