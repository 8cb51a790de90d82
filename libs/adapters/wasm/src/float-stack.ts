/**
 * Which floats on the operand stack may be NaNs that arithmetic has made, and where their bits become visible.
 *
 * The specification leaves the bits of a NaN made by arithmetic open, and processors differ in them (x86 sets the sign,
 * ARM does not, payloads travel differently). A thread that moves would see the difference. So a *computed* NaN is made
 * canonical wherever its bits can be observed: stored, reinterpreted, given to a call or a global, merged by a branch,
 * taken by `copysign`. A NaN that was only *moved* (loaded, passed, reinterpreted from an integer) keeps its bits, as
 * the specification demands: NaN-boxing interpreters work. Arithmetic whose result goes on to arithmetic costs nothing.
 *
 * A local is `computed` when every assignment to it is; when some are moved, its computed ones are made canonical as
 * they are assigned. The assignments are found by walking the code until nothing changes (`LocalKinds`).
 * Rejected: Binaryen's `denan` (it turns NaNs into zeros), and a check after every operation (× 2 on float kernels). As the
 * check, `x <= x`, or an `if` instead of the `select`: no faster; `min(x, x)`: slower. It is × 1.35 on n-body, the dearest part.
 */
import type { Writer } from './binary.js';
import { OP, type ValueType } from './opcodes.js';

/** Bit set: what a float may be, if it is a NaN. 0: it is none. */
export const COMPUTED = 1;
export const MOVED = 2;

export interface Value {
  readonly type: ValueType;
  readonly nan: number;
}

/** What each local may hold; grows while the code is walked, until it is stable. */
export class LocalKinds {
  private readonly kinds: Uint8Array;
  changed = false;
  /** True while kinds are being found out; false when code is written. */
  searching = true;
  constructor(count: number, params: number) {
    this.kinds = new Uint8Array(count).fill(MOVED, 0, params);
  }
  assign(local: number, nan: number): void {
    const before = this.kinds[local]!;
    this.kinds[local] = before | nan;
    this.changed ||= (before | nan) !== before;
  }
  get(local: number): number {
    const kind = this.kinds[local]!;
    return this.searching || kind !== (COMPUTED | MOVED) ? kind : MOVED;
  }
  keepsComputed(local: number): boolean {
    return this.kinds[local] === COMPUTED;
  }
}

const F32_NAN = new Uint8Array([0, 0, 0xc0, 0x7f]);
const F64_NAN = new Uint8Array([0, 0, 0, 0, 0, 0, 0xf8, 0x7f]);

/** Gives numbers to locals that the rewriting adds behind those of the function. */
export class AddedLocals {
  readonly types: ValueType[] = [];
  private readonly byName = new Map<string, number>();
  constructor(private readonly first: number) {}
  get(type: ValueType, purpose: string): number {
    const name = `${type} ${purpose}`;
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    this.byName.set(name, this.first + this.types.length);
    this.types.push(type);
    return this.first + this.types.length - 1;
  }
}

export class FloatStack {
  private readonly values: Value[] = [];
  constructor(private readonly out: Writer, private readonly added: AddedLocals) {}
  get height(): number {
    return this.values.length;
  }
  push(type: ValueType, nan: number): void {
    this.values.push({ type, nan: type === 'f' || type === 'F' ? nan : 0 });
  }
  pushAll(types: readonly ValueType[], nan: number): void {
    for (const type of types) this.push(type, nan);
  }
  pop(): Value {
    const value = this.values.pop();
    if (!value) throw new Error('operand stack is empty: the table of operations is wrong');
    return value;
  }
  popMany(count: number): void {
    for (let i = 0; i < count; i++) this.pop();
  }
  top(): Value {
    return this.values[this.values.length - 1]!;
  }
  /** Back to the height of a frame, with these values on top: behind `end` and `else`. */
  reset(height: number, types: readonly ValueType[]): void {
    this.values.length = height;
    this.pushAll(types, MOVED);
  }

  /** Makes the computed NaNs among the topmost `count` values canonical; they count as moved from here on. */
  settle(count: number): void {
    const from = this.values.length - count;
    const deepest = this.values.findIndex((v, i) => i >= from && (v.nan & COMPUTED) !== 0);
    if (deepest < 0) return;
    const above: number[] = [];
    for (let i = this.values.length - 1; i > deepest; i--) {
      this.settleTop(i);
      const local = this.added.get(this.values[i]!.type, `spill ${i - deepest}`);
      this.out.byte(OP.localSet).u32(local);
      above.push(local);
    }
    this.settleTop(deepest);
    for (const local of above.reverse()) this.out.byte(OP.localGet).u32(local);
  }

  /** The value at `index` is on top of the real stack now. */
  private settleTop(index: number): void {
    const { type, nan } = this.values[index]!;
    if (!(nan & COMPUTED)) return;
    this.values[index] = { type, nan: MOVED };
    const local = this.added.get(type, 'canonical');
    this.out.byte(OP.localTee).u32(local);
    if (type === 'f') this.out.byte(OP.f32Const).raw(F32_NAN);
    else this.out.byte(OP.f64Const).raw(F64_NAN);
    this.out.byte(OP.localGet).u32(local).byte(OP.localGet).u32(local).byte(type === 'f' ? OP.f32Eq : OP.f64Eq, OP.select);
  }

  /** Makes the lanes of the vector on top canonical, which arithmetic has just computed. */
  settleVector(twoDoubles: boolean): void {
    const local = this.added.get('v', 'canonical');
    this.out.byte(OP.localTee).u32(local).byte(OP.prefixFd).u32(0x0c);
    for (let at = 0; at < 16; at += twoDoubles ? 8 : 4) this.out.raw(twoDoubles ? F64_NAN : F32_NAN);
    this.out.byte(OP.localGet).u32(local).byte(OP.localGet).u32(local).byte(OP.prefixFd).u32(twoDoubles ? 0x47 : 0x41);
    this.out.byte(OP.prefixFd).u32(0x52);
  }
}
