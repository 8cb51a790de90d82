/** Rewrites the code of one function: polls, strip-mined loops, re-numbered functions, canonical NaNs. See `rewrite.ts`. */
import { Reader, Writer } from './binary.js';
import { blockType } from './code.js';
import { AddedLocals, COMPUTED, FloatStack, LocalKinds, MOVED } from './float-stack.js';
import type { FunctionBody, FunctionType, Module } from './module.js';
import { FC, isTwoDoubles, OP, PLAIN, PREFIX_FC, PREFIX_FD, TYPE_BYTE, type Operation, type ValueType } from './opcodes.js';
import { skipInstruction } from './walk.js';
import { writeTracked } from './write-tracking.js';

/** Turns of an innermost loop between two polls. */
export const STRIP_TURNS = 1024;

export interface Rewriting {
  readonly module: Module;
  /** New index of a function. */
  renumber(index: number): number;
  readonly pollFunction: number;
  /** A fresh number for a safepoint, with a label for traces. */
  site(label: string): number;
  /** The flag that is set when a segment is dropped. */
  dropFlag(kind: 'data' | 'elements', segment: number): number;
  /** Each write to memory marks its card: see `write-tracking.ts`. */
  readonly tracksWrites: boolean;
}
export interface FunctionPlan {
  readonly body: FunctionBody;
  readonly index: number;
  readonly pollOnEntry: boolean;
  readonly loops: readonly ('none' | 'each' | 'strip')[];
  readonly computesFloats: boolean;
}

export interface RewrittenBody {
  readonly code: Uint8Array;
  /** Types of all locals, parameters first. */
  readonly locals: readonly ValueType[];
}

interface Frame {
  readonly kind: number;
  /** Depth that a branch to this frame's label aims at, counted from the function's own frame. */
  readonly label: number;
  readonly ends: number;
  readonly height: number;
  readonly type: FunctionType;
}


class BodyRewriter {
  private readonly out = new Writer();
  private readonly reader: Reader;
  private readonly frames: Frame[] = [];
  private readonly added: AddedLocals;
  private readonly stack: FloatStack;
  private readonly localTypes: ValueType[];
  private depth = 0;
  private loopOrdinal = 0;

  constructor(private readonly rewriting: Rewriting, private readonly plan: FunctionPlan, private readonly kinds: LocalKinds | undefined) {
    const { module } = rewriting;
    this.reader = new Reader(plan.body.code);
    this.localTypes = localTypesOf(module, plan.body);
    this.added = new AddedLocals(this.localTypes.length);
    this.stack = new FloatStack(this.out, this.added);
  }

  run(): RewrittenBody {
    const type = this.rewriting.module.types[this.plan.body.type]!;
    this.frames.push({ kind: OP.block, label: 0, ends: 1, height: 0, type: { params: [], results: type.results } });
    if (this.plan.pollOnEntry) this.poll(`call:${this.plan.index}`);
    while (this.frames.length > 0) this.step();
    return { code: this.out.view(), locals: [...this.localTypes, ...this.added.types] };
  }

  /** Whether it is taken is decided by the code that `forms.ts` puts around it. */
  private poll(label: string): void {
    const site = this.kinds?.searching ? 0 : this.rewriting.site(label);
    this.out.byte(OP.i32Const).s32(site).byte(OP.call).u32(this.rewriting.pollFunction);
  }

  private step(): void {
    const begin = this.reader.at;
    const op = this.reader.byte();
    const operands = new Reader(this.plan.body.code, this.reader.at);
    skipInstruction(op, this.reader);
    const raw = this.plan.body.code.subarray(begin, this.reader.at);
    switch (op) {
      case OP.block: case OP.if: return this.open(op, raw, operands);
      case OP.loop: return this.openLoop(raw, operands);
      case OP.else: return this.otherwise();
      case OP.end: return this.close();
      case OP.br: case OP.brIf: case OP.brTable: return this.branch(op, operands);
      case OP.return: case OP.unreachable:
        if (op === OP.return && this.kinds) this.stack.settle(this.frames[0]!.type.results.length);
        this.out.byte(op);
        return this.skipDead();
      default:
        if (this.kinds) this.before(op, operands.at);
        this.copy(op, raw, operands);
        if (this.kinds) this.after(op, new Reader(this.plan.body.code, begin + 1));
    }
  }

  private copy(op: number, raw: Uint8Array, operands: Reader): void {
    if (op === OP.call || op === OP.refFunc) {
      this.out.byte(op).u32(this.rewriting.renumber(operands.u32()));
      return;
    }
    if (this.rewriting.tracksWrites && writeTracked(this.out, this.added, op, raw, new Reader(operands.bytes, operands.at))) return;
    this.out.raw(raw);
    if (op !== OP.prefixFc) return;
    const operation = operands.u32();
    if (operation !== FC.dataDrop && operation !== FC.elemDrop) return;
    const flag = this.rewriting.dropFlag(operation === FC.dataDrop ? 'data' : 'elements', operands.u32());
    this.out.byte(OP.i32Const, 1, OP.globalSet).u32(flag);
  }

  // Structure. `depth` counts the frames that are open in the written code.

  private blockType(operands: Reader): FunctionType {
    return blockType(operands, this.rewriting.module.types);
  }
  private enter(kind: number, type: FunctionType, ends: number): void {
    this.depth += ends;
    this.frames.push({ kind, label: this.depth, ends, height: this.stack.height - (this.kinds ? type.params.length : 0), type });
  }
  private open(op: number, raw: Uint8Array, operands: Reader): void {
    const type = this.blockType(operands);
    if (this.kinds) {
      this.stack.settle(type.params.length + (op === OP.if ? 1 : 0));
      if (op === OP.if) this.stack.pop();
    }
    this.out.raw(raw);
    this.enter(op, type, 1);
  }
  private openLoop(raw: Uint8Array, operands: Reader): void {
    const type = this.blockType(operands);
    const ordinal = this.loopOrdinal++;
    const how = this.plan.loops[ordinal]!;
    if (this.kinds) this.stack.settle(type.params.length);
    this.out.raw(raw);
    if (how !== 'none') this.poll(`loop:${this.plan.index}.${ordinal}`);
    if (how === 'strip') {
      const fuel = this.added.get('i', 'fuel');
      this.out.byte(OP.i32Const).s32(STRIP_TURNS).byte(OP.localSet).u32(fuel).raw(raw);
      this.out.byte(OP.localGet).u32(fuel).byte(OP.i32Const, 1, OP.i32Sub, OP.localTee).u32(fuel).byte(OP.i32Eqz, OP.brIf, 1);
    }
    this.enter(OP.loop, type, how === 'strip' ? 2 : 1);
  }
  private otherwise(): void {
    const frame = this.frames[this.frames.length - 1]!;
    if (this.kinds) {
      this.stack.settle(frame.type.results.length);
      this.stack.reset(frame.height, frame.type.params);
    }
    this.out.byte(OP.else);
  }
  private close(): void {
    const frame = this.frames.pop()!;
    if (this.kinds) this.stack.settle(frame.type.results.length);
    this.closeDead(frame);
  }
  private closeDead(frame: Frame): void {
    if (this.kinds) this.stack.reset(frame.height, frame.type.results);
    for (let i = 0; i < frame.ends; i++) this.out.byte(OP.end);
    this.depth -= frame.ends;
  }
  private target(depth: number): { depth: number; arity: number } {
    const frame = this.frames[this.frames.length - 1 - depth]!;
    const arity = frame.kind === OP.loop ? frame.type.params.length : frame.type.results.length;
    return { depth: this.depth - frame.label, arity };
  }
  private branch(op: number, operands: Reader): void {
    if (op === OP.brTable) {
      const targets = operands.list(() => this.target(operands.u32()));
      const last = this.target(operands.u32());
      if (this.kinds) this.stack.settle(last.arity + 1);
      this.out.byte(op).list(targets, (t) => this.out.u32(t.depth)).u32(last.depth);
      return this.skipDead();
    }
    const to = this.target(operands.u32());
    if (this.kinds) {
      this.stack.settle(to.arity + (op === OP.brIf ? 1 : 0));
      if (op === OP.brIf) this.stack.pop();
    }
    this.out.byte(op).u32(to.depth);
    if (op === OP.br) this.skipDead();
  }
  /** Code behind an unconditional branch is left out, so the stack is always known. */
  private skipDead(): void {
    for (let nested = 0; ;) {
      const op = this.reader.byte();
      skipInstruction(op, this.reader);
      if (op === OP.loop) this.loopOrdinal++;
      if (op === OP.block || op === OP.loop || op === OP.if) nested++;
      else if (op === OP.end && nested-- === 0) return this.closeDead(this.frames.pop()!);
      else if (op === OP.else && nested === 0) {
        const frame = this.frames[this.frames.length - 1]!;
        if (this.kinds) this.stack.reset(frame.height, frame.type.params);
        this.out.byte(op);
        return;
      }
    }
  }

  // Floats.

  private operation(op: number, operands: Reader): Operation | undefined {
    if (PLAIN[op]) return PLAIN[op];
    if (op === OP.prefixFd) return PREFIX_FD[operands.u32()];
    return op === OP.prefixFc ? PREFIX_FC[operands.u32()] : undefined;
  }

  /** Settles operands whose bits this instruction makes visible. */
  private before(op: number, at: number): void {
    const operands = new Reader(this.plan.body.code, at);
    switch (op) {
      case OP.f32Store: case OP.f64Store: case OP.i32FromF32: case OP.i64FromF64: case OP.globalSet: return this.stack.settle(1);
      case OP.f32Copysign: case OP.f64Copysign: return this.stack.settle(2);
      case OP.call: return this.stack.settle(this.callee(operands.u32()).params.length);
      case OP.callIndirect: return this.stack.settle(this.rewriting.module.types[operands.u32()]!.params.length + 1);
      case OP.select: case OP.selectTyped: return this.settleSelect();
      case OP.localSet: case OP.localTee: {
        const local = operands.u32();
        if (!this.kinds!.searching && !this.kinds!.keepsComputed(local)) this.stack.settle(1);
        return;
      }
      case OP.prefixFd: {
        const operation = PREFIX_FD[operands.u32()]!;
        if (operation.takes.some((t) => t === 'f' || t === 'F')) this.stack.settle(operation.takes.length);
        return;
      }
      default: return;
    }
  }
  private settleSelect(): void {
    const condition = this.stack.pop();
    const second = this.stack.pop();
    const both = second.nan | this.stack.top().nan;
    this.stack.push(second.type, second.nan);
    this.stack.push(condition.type, 0);
    if (!this.kinds!.searching && both === (COMPUTED | MOVED)) this.stack.settle(3);
  }
  private callee(index: number): FunctionType {
    const { module } = this.rewriting;
    const imported = module.imports[index];
    return module.types[imported ? imported.type : module.functions[index - module.imports.length]!.type]!;
  }

  /** What the instruction does to the stack; `operands` stands behind the opcode. */
  private after(op: number, operands: Reader): void {
    const { stack } = this;
    const operation = this.operation(op, new Reader(this.plan.body.code, operands.at));
    if (operation) return this.afterOperation(op, operation, operands);
    const { module } = this.rewriting;
    switch (op) {
      case OP.nop: return;
      case OP.drop: case OP.tableSet: stack.popMany(op === OP.drop ? 1 : 2); return;
      case OP.select: case OP.selectTyped: return this.afterSelect();
      case OP.call: case OP.callIndirect: {
        const type = op === OP.call ? this.callee(operands.u32()) : module.types[operands.u32()]!;
        stack.popMany(type.params.length + (op === OP.callIndirect ? 1 : 0));
        return stack.pushAll(type.results, MOVED);
      }
      case OP.localGet: case OP.localSet: case OP.localTee: return this.afterLocal(op, operands.u32());
      case OP.globalGet: return stack.push(module.globals[operands.u32()]!.type, MOVED);
      case OP.globalSet: stack.pop(); return;
      case OP.tableGet: stack.pop(); return stack.push(module.tables[operands.u32()]!.type, 0);
      case OP.memorySize: case OP.i32Const: return stack.push('i', 0);
      case OP.memoryGrow: case OP.refIsNull: stack.pop(); return stack.push('i', 0);
      case OP.i64Const: return stack.push('I', 0);
      case OP.f32Const: return stack.push('f', Number.isNaN(viewOf(operands.take(4)).getFloat32(0, true)) ? MOVED : 0);
      case OP.f64Const: return stack.push('F', Number.isNaN(viewOf(operands.take(8)).getFloat64(0, true)) ? MOVED : 0);
      case OP.refNull: return stack.push(operands.byte() === TYPE_BYTE.x ? 'x' : 'r', 0);
      case OP.refFunc: return stack.push('r', 0);
      case OP.prefixFc: return this.afterBulk(operands.u32());
      default: throw new Error(`no effect on the stack is known of instruction 0x${op.toString(16)}`);
    }
  }
  private afterOperation(op: number, operation: Operation, operands: Reader): void {
    const { stack } = this;
    const passes = op === OP.f32Abs || op === OP.f64Abs || op === OP.f32Neg || op === OP.f64Neg;
    if (passes) return;
    stack.popMany(operation.takes.length);
    const fromInteger = PLAIN[op] !== undefined && operation.immediate === 'none' && op !== OP.f32FromI32 && op !== OP.f64FromI64
      && operation.takes.every((t) => t === 'i' || t === 'I');
    stack.pushAll(operation.gives, operation.arithmetic ? COMPUTED : fromInteger ? 0 : MOVED);
    if (operation.arithmetic && operation.gives[0] === 'v') stack.settleVector(isTwoDoubles(operands.u32()));
  }
  private afterSelect(): void {
    this.stack.pop();
    const second = this.stack.pop();
    const first = this.stack.pop();
    this.stack.push(first.type, first.nan | second.nan);
  }
  private afterLocal(op: number, local: number): void {
    const kinds = this.kinds!;
    if (op !== OP.localGet) kinds.assign(local, this.stack.pop().nan);
    if (op !== OP.localSet) this.stack.push(this.localTypes[local]!, kinds.get(local));
  }
  private afterBulk(op: number): void {
    if (op === FC.tableSize) return this.stack.push('i', 0);
    if (op === FC.dataDrop || op === FC.elemDrop) return;
    this.stack.popMany(op === FC.tableGrow ? 2 : 3);
    if (op === FC.tableGrow) this.stack.push('i', 0);
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function localTypesOf(module: Module, body: FunctionBody): ValueType[] {
  const types = [...module.types[body.type]!.params];
  for (const [count, type] of body.locals) for (let i = 0; i < count; i++) types.push(type);
  return types;
}

/** The function's code with polls in it, which stand unconditionally as yet. */
export function rewriteBody(rewriting: Rewriting, plan: FunctionPlan): RewrittenBody {
  const { module } = rewriting;
  let kinds: LocalKinds | undefined;
  if (plan.computesFloats) {
    kinds = new LocalKinds(localTypesOf(module, plan.body).length, module.types[plan.body.type]!.params.length);
    do {
      kinds.changed = false;
      new BodyRewriter(rewriting, plan, kinds).run();
    } while (kinds.changed);
    kinds.searching = false;
  }
  return new BodyRewriter(rewriting, plan, kinds).run();
}
