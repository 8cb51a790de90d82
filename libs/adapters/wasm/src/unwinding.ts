/**
 * What the instrumented module gets besides the program's functions so that its stack can be captured: the entry, the
 * loop that resumes frame by frame, imports that wait as functions with frames, and the second form of each function.
 */
import { UnacceptableModule, Writer } from './binary.js';
import type { RewrittenBody } from './body.js';
import type { Capturable } from './capture.js';
import { capturableForms, FRAME_HEAD, FRAME_HEAD_BYTES, type Code } from './forms.js';
import type { FunctionType, Module } from './module.js';
import { OP, TYPE_BYTE, type ValueType } from './opcodes.js';
import type { PollPlan } from './survey.js';
import { BLOCKING_WASI } from './wasi-signatures.js';

const STACK_MEMORY = 2;
/** Alignment of one byte, and "a memory's index follows". */
const MEMORY_FOLLOWS = 0x40;
const TYPE_BYTES: Readonly<Record<ValueType, number>> = { i: 4, f: 4, I: 8, F: 8, v: 16, r: 0, x: 0 };
const LOAD: Readonly<Record<string, readonly number[]>> = { i: [0x28], I: [0x29], f: [0x2a], F: [0x2b], v: [OP.prefixFd, 0x00] };
const STORE: Readonly<Record<string, readonly number[]>> = { i: [0x36], I: [0x37], f: [0x38], F: [0x39], v: [OP.prefixFd, 0x0b] };
const MOST_EMPTY = 50_000;
const NONE: FunctionType = { params: [], results: [] };

export interface DefinedFunction {
  readonly type: FunctionType;
  readonly code: Code;
}
interface ModuleNumbers {
  /** First of the globals that may be added. */
  readonly firstGlobal: number;
  typeIndex(type: FunctionType): number;
}

export class Unwinding {
  /** Functions in the order of their indexes, from the first that the program defines on. */
  readonly functions: DefinedFunction[] = [];
  /** Types of the added globals: next frame, end of the saved ones, results. */
  readonly globals: ValueType[] = ['i', 'i'];
  /** New indexes of the resuming forms, by the number that stands in their frames. */
  readonly resuming: number[] = [];
  readonly nextGlobal: number;
  readonly savedGlobal: number;
  /** Imports before the program's functions: WASI's and the poll. */
  private readonly offset: number;
  private readonly waiting: readonly number[];
  private readonly resultGlobals = new Map<string, number>();
  private readonly forms: Code[] = [];
  /** Functions that move values between locals and frames, by what they do. */
  private readonly movers = new Map<string, { readonly index: number; readonly what: 'append' | 'take'; readonly types: readonly ValueType[] }>();

  constructor(private readonly module: Module, private readonly plan: PollPlan, private readonly numbers: ModuleNumbers) {
    this.nextGlobal = numbers.firstGlobal;
    this.savedGlobal = numbers.firstGlobal + 1;
    this.offset = module.imports.length + 1;
    this.waiting = module.imports.map((_, index) => index).filter((index) => BLOCKING_WASI.includes(module.imports[index]!.name));
  }

  get pollFunction(): number {
    return this.module.imports.length;
  }
  /** The entry stands behind the program's functions and the imports that wait. */
  get runFunction(): number {
    return this.offset + this.module.functions.length + this.waiting.length;
  }
  get resumeFunction(): number {
    return this.runFunction + 1;
  }
  /** Behind the resuming forms, whose number is known from the beginning. */
  private get firstMover(): number {
    const own = [...this.plan.captured].filter((f) => f >= this.module.imports.length).length;
    return this.resumeFunction + 1 + own + this.waiting.length + (this.entryIsCaptured ? 1 : 0);
  }
  private get entryIsCaptured(): boolean {
    const { startFunction, entry } = this.module;
    return [startFunction, entry].some((f) => f !== undefined && this.plan.captured.has(f));
  }
  private readonly mover = (what: 'append' | 'take') => (types: readonly ValueType[]): number => {
    const key = `${what} ${types.join('')}`;
    const known = this.movers.get(key);
    if (known) return known.index;
    const made = { index: this.movers.size + this.firstMover, what, types: [...types] };
    this.movers.set(key, made);
    return made.index;
  };

  /** New index of a function of the program; an import that waits is called through its function with a frame. */
  readonly renumber = (index: number): number => {
    const waits = this.waiting.indexOf(index);
    if (waits >= 0) return this.offset + this.module.functions.length + waits;
    return index < this.module.imports.length ? index : index + 1;
  };

  private readonly typeOf = (callee: number): FunctionType => {
    const { imports, functions, types } = this.module;
    if (callee < imports.length) return types[imports[callee]!.type]!;
    if (callee === this.pollFunction) return { params: ['i'], results: [] };
    const own = callee - this.offset;
    return types[own < functions.length ? functions[own]!.type : imports[this.waiting[own - functions.length]!]!.type]!;
  };
  private readonly capturedCall = (callee: number): boolean => {
    if (callee === this.pollFunction) return true;
    const own = callee - this.offset;
    return own >= this.module.functions.length || (own >= 0 && this.plan.captured.has(own + this.module.imports.length));
  };
  private readonly resultGlobal = (position: number, type: ValueType): number => {
    if (type === 'r' || type === 'x') throw new UnacceptableModule('not-migratable', 'a function that can be stopped gives a reference, which cannot be moved');
    const key = `${position} ${type}`;
    const known = this.resultGlobals.get(key);
    if (known !== undefined) return known;
    const made = this.numbers.firstGlobal + this.globals.push(type) - 1;
    this.resultGlobals.set(key, made);
    return made;
  };

  /** Takes the program's functions, in order, and makes all functions of the module. */
  define(bodies: readonly RewrittenBody[]): void {
    const { module } = this;
    bodies.forEach(({ code, locals }, i) => {
      const type = module.types[module.functions[i]!.type]!;
      if (this.plan.captured.has(i + module.imports.length)) this.captured(type, { name: `function ${i + module.imports.length}`, type, locals, code });
      else this.functions.push({ type, code: { locals: locals.slice(type.params.length), code } });
    });
    for (const index of this.waiting) this.waitingImport(index);
    this.run();
    this.resume();
    for (const code of this.forms) this.resuming.push(this.offset + this.functions.push({ type: NONE, code }) - 1);
    for (const { what, types } of this.movers.values()) this.functions.push(what === 'append' ? this.append(types) : this.take(types));
    this.remindInliner();
  }

  private captured(type: FunctionType, fn: Omit<Capturable, 'number'>): void {
    const { module, pollFunction, nextGlobal, typeOf, capturedCall, resultGlobal, plan, numbers } = this;
    const { running, resuming } = capturableForms({
      module, pollFunction, nextGlobal, typeOf, capturedCall, resultGlobal, appendFunction: this.mover('append'), takeFunction: this.mover('take'),
      capturedType: (index) => plan.capturedTypes.has(index), typeIndex: (t) => numbers.typeIndex(t),
    }, { ...fn, number: this.forms.length });
    this.functions.push({ type, code: running });
    this.forms.push(resuming);
  }

  /** An import that waits, as a function: its frame holds its arguments, and going on means to call it again. */
  private waitingImport(index: number): void {
    const type = this.typeOf(index);
    const running = new Writer().byte(OP.try).s32(this.numbers.typeIndex({ params: [], results: type.results }));
    type.params.forEach((_, local) => running.byte(OP.localGet).u32(local));
    running.byte(OP.call).u32(index).byte(OP.catch, 0, OP.i32Const).s32(this.forms.length).byte(OP.i32Const, 1);
    type.params.forEach((_, local) => running.byte(OP.localGet).u32(local));
    running.byte(OP.call).u32(this.mover('append')([...FRAME_HEAD, ...type.params])).byte(OP.rethrow, 0, OP.end, OP.end);
    const resuming = new Writer().byte(OP.globalGet).u32(this.nextGlobal).byte(OP.i32Const, FRAME_HEAD_BYTES, OP.i32Add, OP.globalSet).u32(this.nextGlobal);
    resuming.byte(OP.call).u32(this.mover('take')(type.params)).byte(OP.call).u32(this.renumber(index));
    for (let r = type.results.length - 1; r >= 0; r--) resuming.byte(OP.globalSet).u32(this.resultGlobal(r, type.results[r]!));
    this.functions.push({ type, code: { locals: [], code: running.view() } });
    this.forms.push({ locals: [], code: resuming.byte(OP.end).view() });
  }

  private run(): void {
    const { startFunction, entry } = this.module;
    const code = new Writer();
    if (startFunction !== undefined) code.byte(OP.call).u32(this.renumber(startFunction));
    code.byte(OP.call).u32(this.renumber(entry)).byte(OP.end);
    if (this.entryIsCaptured) this.captured(NONE, { name: 'the entry', type: NONE, locals: [], code: code.view() });
    else this.functions.push({ type: NONE, code: { locals: [], code: code.view() } });
  }

  /**
   * V8 inlines sparingly in a module of which less than half of the functions are small, and what we add is large: without
   * this, small recursive functions ran at half the speed. So there are as many empty functions as others; 4 bytes each.
   */
  private remindInliner(): void {
    const empty: DefinedFunction = { type: NONE, code: { locals: [], code: new Uint8Array([OP.end]) } };
    for (let missing = Math.min(this.functions.length, MOST_EMPTY); missing > 0; missing--) this.functions.push(empty);
  }

  private append(types: readonly ValueType[]): DefinedFunction {
    const at = types.length;
    const code = new Writer().byte(OP.globalGet).u32(this.savedGlobal).byte(OP.localSet).u32(at);
    let offset = 0;
    types.forEach((type, local) => {
      code.byte(OP.localGet).u32(at).byte(OP.localGet).u32(local).byte(...STORE[type]!, MEMORY_FOLLOWS, STACK_MEMORY).u32(offset);
      offset += TYPE_BYTES[type];
    });
    code.byte(OP.localGet).u32(at).byte(OP.i32Const).s32(offset).byte(OP.i32Add, OP.globalSet).u32(this.savedGlobal).byte(OP.end);
    return { type: { params: types, results: [] }, code: { locals: ['i'], code: code.view() } };
  }
  private take(types: readonly ValueType[]): DefinedFunction {
    const code = new Writer().byte(OP.globalGet).u32(this.nextGlobal).byte(OP.localSet, 0);
    let offset = 0;
    for (const type of types) {
      code.byte(OP.localGet, 0, ...LOAD[type]!, MEMORY_FOLLOWS, STACK_MEMORY).u32(offset);
      offset += TYPE_BYTES[type];
    }
    code.byte(OP.localGet, 0, OP.i32Const).s32(offset).byte(OP.i32Add, OP.globalSet).u32(this.nextGlobal).byte(OP.end);
    return { type: { params: [], results: types }, code: { locals: ['i'], code: code.view() } };
  }

  /** Frame by frame, until none is left: each takes itself from the stack, and gives its results to the next. */
  private resume(): void {
    const code = new Writer().byte(OP.loop, 0x40, OP.globalGet).u32(this.nextGlobal).byte(OP.i32Const, 0, OP.i32Load, 0x40, STACK_MEMORY, 0, OP.i32LtU, OP.if, 0x40);
    code.byte(OP.globalGet).u32(this.nextGlobal).byte(OP.i32Load, 0x40, STACK_MEMORY, 0);
    code.byte(OP.callIndirect).u32(this.numbers.typeIndex(NONE)).u32(this.module.tables.length);
    code.byte(OP.br, 1, OP.end, OP.end, OP.end);
    this.functions.push({ type: NONE, code: { locals: [], code: code.view() } });
  }
}

/** A function's code as it stands in the code section. */
export function writeCode({ locals, code }: Code): Uint8Array {
  const runs: [count: number, type: ValueType][] = [];
  for (const type of locals) {
    const last = runs[runs.length - 1];
    if (last?.[1] === type) last[0]++;
    else runs.push([1, type]);
  }
  const out = new Writer();
  return out.list(runs, ([count, type]) => out.u32(count).byte(TYPE_BYTE[type])).raw(code).view();
}
