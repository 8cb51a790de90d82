/**
 * Making a program migratable: the essay, and the module as a whole. `body.ts` rewrites single functions.
 *
 * GOAL. Any WASI program can be stopped in the middle of a computation, its whole state taken as bytes, and rebuilt on
 * another machine of any architecture, so that it goes on exactly there. WebAssembly gives nobody access to its stack.
 *
 * WAYS REJECTED
 *  - Run it in an interpreter of our own: the stack is data then, at 20 to 100 times the time.
 *  - Copy the process (CRIU): binds to kernel and architecture; that is the runtime `process`.
 *  - Replay from the start: exact, but takes as long as the thread has lived.
 *  - A counter that every loop counts down: costs 4 cycles a turn, since each turn waits for the store of the one before.
 *  - Binaryen for the polls: its JavaScript interface hides table and bulk instructions, and one crossing per node
 *    is slow. A rewriting of the binary reads each byte once and refuses every instruction that it does not know.
 *
 *  - Asyncify (Binaryen), which we used at first: it unwinds by returning, so every call is followed by a check, and it
 *    rewinds by entering each function from the top, so all code between calls stands behind guards. With polls in every
 *    loop × 2.2 of the plain module's time, with strip-mined ones × 1.6 (recursion × 4.6), and seconds per 100 KB of code.
 *  - Unwinding by returning, but without guards (one check of a global behind each call): × 1.5 to 1.75 on recursion, where
 *    exceptions cost × 1.2, most of it the poll.
 *  - One handler around the whole function, with a local that says which call was left: whatever any call needs would stay
 *    alive across all of them.
 *  - Hints for branches (`metadata.code.branch_hint`): behind a flag in V8 13.6, and no gain with it.
 *  - An atomic load in the poll: V8 checks its alignment each time, × 1.45 instead of × 1.2 on recursion. An aligned word is
 *    never torn, and V8 moves no load of memory out of a loop; the specs freeze tight loops, so they would find out.
 *
 * THE WAY. A poll is a call of an import, under a condition. To unwind, an import (`godwit.poll`, or one of WASI's that
 * wait) throws. Each call that this can pass through stands in a `try` of its own, which saves what is alive behind it:
 *
 *   running form of f       … try call g(…)
 *                             catch $unwind { append(number of f, number of this call, live locals…); rethrow } …
 *
 * On the way that is usually taken this costs nothing but code size: engines keep handlers out of line. There is no second
 * entry: going on is another function, used only behind a freeze:
 *
 *   resuming form of f      take(live locals of the call); results of g from globals
 *                           jump to behind the call (below); … the rest of f …; results to globals
 *   godwit.resume           while frames are left: call_indirect resuming[number in the frame]
 *
 * So frames are resumed one at a time, innermost first: the native stack is never rebuilt, and frames that were not
 * reached before the next freeze stay the bytes that they are. Structured code cannot be jumped into: in the resuming form
 * each construct with safepoints in it begins with a dispatch, `block { block { br_table(resume) } … call 1 } … call 2`, and
 * lets through where `resume` is 0, which it is again from the arrival on. The price is a compare in each turn of a loop
 * that was being executed at the freeze, until the function returns. Operands that lie under such a construct, or under a
 * call, are kept in locals (`spill <height>`). Which locals are alive: `liveness.ts`; the two forms: `forms.ts`.
 *
 *   frame    u32 number of the function · u32 number of the call · values by type, then by index. Nothing else: equal
 *            states give equal bytes, on every engine, in whichever form a function ran.
 *
 * V8 inlines small functions, so that plain recursion runs twice as fast; how generously depends on the share of small
 * functions in the module, which we lower. `Unwinding.remindInliner` restores it (fib: × 2.0 without, × 1.2 with).
 *
 * POLLS   poll(site) :=  if (i32.load $control 0) call $godwit.poll(site)
 *
 *   function on a cycle of calls     f(…) { poll; … }          one function of each cycle, also through tables
 *   loop that holds loops or calls   loop L { poll; … br L … }    none if each turn surely calls a function of the first kind
 *   innermost loop, strip-mined      loop P { poll; fuel = 1024
 *                                      loop L { if (--fuel == 0) br P; … br L … } }
 *
 * A branch to P re-enters L at its head with all locals as they are, so it is a `continue` that polls, and L has no call in
 * it. What a poll reads is one word that the host raises for a freeze, or to take its time (every 10 ms). Loops and cycles
 * of calls are the only ways to run for long, so every program reaches a poll. Exceptions: a loop of 1,024 turns whose
 * turns each copy megabytes with one `memory.copy`; the watchdog (`limits.safepointMs`) ends that.
 *
 * MEMORIES. 0 `godwit.memory` is the program's own, made by the host: shared, so that the main thread can read it while
 * the program runs, with a maximum that is the smaller of declared and registered. 1 `godwit.control` holds the words of
 * `abi.ts`. 3 `godwit.cards`: see WRITES. 2 `godwit.stack`: nothing is stored in the program's memory, its allocator is not disturbed, and `memory.size`
 * says what it said. The stack's memory has two halves of `limits.stackBytes`: frames to resume, and frames being saved,
 * which the worker puts before the others when the unwinding has arrived. A stack that is too deep is found there, or
 * ends in an out-of-bounds trap in *that* memory (`limit-exceeded`), never in corruption.
 *
 * WRITES. A live copy has to know what the program has written since the last look. Comparing the memory with its copy finds
 * that out at 0.3 µs a block of 4 KiB, which a freeze has to wait for: 20 ms for 256 MiB. So where the registered limit lets
 * a memory become larger than `TRACKED_FROM_BYTES`, each store is followed by one of a byte, the card of its block
 * (`write-tracking.ts`; the host's side: `written-cards.ts`), and only marked blocks are looked at. Which form a module has
 * follows from the limits alone, and stands in its description. Measured beside the form without, on a busy machine: nothing to
 * × 1.15 for programs that compute or call, × 1.5 to 1.9 for those that do little but store (sieve, a small interpreter,
 * strings, LZ77), hence not for all.
 *  - Marking before the store: between the two a reader may clear the card, and the write would be lost.
 *  - Marking all that a store touches, also the next block: twice the cost. Readers take the next block for written.
 *  - Not tried yet: one mark for several stores through the same base in a row, which is where the cost is (n-body).
 *
 * UNWINDING takes 0.2 µs a frame (Asyncify: 0.01), so a thousand frames cost as much as half a durable append.
 *
 * STATE is complete with: memory 0, memory 2, mutable globals (accessors by bit pattern: `godwit.get.<n>`,
 * `godwit.set.<n>`), tables where the program can change them (their functions are exported and so known by number),
 * dropped segments (a flag is set beside each drop, and the host drops them again), and the WASI host's own.
 *
 * DETERMINISM. NaNs: see `float-stack.ts`. Refused: relaxed SIMD, threads, everything of proposals not listed in
 * `opcodes.ts`. Not covered: NaNs of arithmetic in a captured local, which become canonical only where the program looks at
 * their bits; the depth at which the *native* stack ends, which differs between processors; a program
 * that gets there is ended by a fault, on whatever machine it runs.
 */
import { Reader, Writer } from './binary.js';
import {
  CARD_BYTES, EXPORT_NEXT, EXPORT_RESUME, EXPORT_RUN, EXPORT_SAVED, EXPORT_UNWIND, HOST_MODULE, MIGRATABLE_VERSION, savingBase, WASM_PAGE_BYTES, type ModuleDescription,
} from './abi.js';
import { rewriteBody, type RewrittenBody, type Rewriting } from './body.js';
import { readModule, type FunctionType, type Module, type Segment } from './module.js';
import { OP, TYPE_BYTE, type ValueType } from './opcodes.js';
import { placePolls, type PollPlan } from './survey.js';
import { Unwinding, writeCode } from './unwinding.js';
import { WASI_MODULE } from './wasi-signatures.js';

export interface RewriteLimits {
  readonly memoryBytes: number;
  readonly stackBytes: number;
  readonly tableEntries: number;
}
/** Parts of the rewriting that the bench leaves out, to tell what each costs. All are on for programs that run. */
export interface RewriteParts {
  readonly polls: boolean;
  readonly stripMining: boolean;
  readonly canonicalNans: boolean;
  /** Each write marks its card, or so where the memory may become larger than `TRACKED_FROM_BYTES`. */
  readonly tracksWrites: boolean | 'by size';
}
export const ALL_PARTS: RewriteParts = { polls: true, stripMining: true, canonicalNans: true, tracksWrites: 'by size' };
/** Memories that may become larger are not compared with their copy at a freeze, but tell what was written. */
export const TRACKED_FROM_BYTES = 64 * 1024 * 1024;

export interface Rewritten {
  readonly bytes: Uint8Array;
  readonly description: ModuleDescription;
}

/** Functions that the host needs, put behind those of the program. */
interface AddedFunction {
  readonly export: string;
  readonly type: FunctionType;
  readonly code: (out: Writer) => void;
}

const BITS: Readonly<Record<string, ValueType>> = { i: 'i', I: 'I', f: 'i', F: 'I' };
/** Reinterprets a float as an integer of its size. */
const TO_BITS: Readonly<Record<string, number>> = { f: OP.i32FromF32, F: OP.i64FromF64 };
const FROM_BITS: Readonly<Record<string, number>> = { f: OP.f32FromI32, F: OP.f64FromI64 };

function vectorAccessors(n: number, global: number): AddedFunction[] {
  const lane = (which: number): AddedFunction => ({
    export: `godwit.get.${n}.${which}`, type: { params: [], results: ['I'] },
    code: (out) => out.byte(OP.globalGet).u32(global).byte(OP.prefixFd, 0x1d, which),
  });
  return [lane(0), lane(1), {
    export: `godwit.set.${n}`, type: { params: ['I', 'I'], results: [] },
    code: (out) => out.byte(OP.localGet, 0, OP.prefixFd, 0x12, OP.localGet, 1, OP.prefixFd, 0x1e, 1, OP.globalSet).u32(global),
  }];
}

function accessors(n: number, global: number, type: ValueType): AddedFunction[] {
  if (type === 'v') return vectorAccessors(n, global);
  const bits = BITS[type]!;
  return [{
    export: `godwit.get.${n}`, type: { params: [], results: [bits] },
    code: (out) => { out.byte(OP.globalGet).u32(global); if (TO_BITS[type]) out.byte(TO_BITS[type]); },
  }, {
    export: `godwit.set.${n}`, type: { params: [bits], results: [] },
    code: (out) => { out.byte(OP.localGet, 0); if (FROM_BITS[type]) out.byte(FROM_BITS[type]); out.byte(OP.globalSet).u32(global); },
  }];
}

class ModuleRewriter {
  private readonly types: FunctionType[];
  private readonly unwinding: Unwinding;
  private readonly flags = new Map<string, { global: number; droppedBy: readonly number[] }>();
  private readonly sites: string[] = [];
  private readonly changesTables: boolean;
  private readonly tracksWrites: boolean;

  constructor(private readonly module: Module, private readonly plan: PollPlan, private readonly limits: RewriteLimits, private readonly parts: RewriteParts) {
    this.types = [...module.types];
    this.changesTables = plan.surveys.some((s) => s.changesTables);
    this.tracksWrites = parts.tracksWrites === 'by size' ? this.maximumPages * WASM_PAGE_BYTES > TRACKED_FROM_BYTES : parts.tracksWrites;
    const flag = (kind: 'data' | 'elements', segment: number, opcode: number): void => {
      const key = `${kind} ${segment}`;
      if (!this.flags.has(key)) this.flags.set(key, { global: module.globals.length + this.flags.size, droppedBy: [opcode, segment] });
    };
    for (const survey of plan.surveys) {
      for (const segment of survey.droppedData) flag('data', segment, 9);
      for (const segment of survey.droppedElements) flag('elements', segment, 13);
    }
    this.unwinding = new Unwinding(module, plan, { firstGlobal: module.globals.length + this.flags.size, typeIndex: (type) => this.typeIndex(type) });
  }

  private typeIndex(type: FunctionType): number {
    const key = JSON.stringify(type);
    const known = this.types.findIndex((t) => JSON.stringify(t) === key);
    return known >= 0 ? known : this.types.push(type) - 1;
  }
  private bodies(): RewrittenBody[] {
    const { renumber, pollFunction } = this.unwinding;
    const rewriting: Rewriting = {
      module: this.module, renumber, pollFunction,
      site: (label) => this.sites.push(label) - 1,
      dropFlag: (kind, segment) => this.flags.get(`${kind} ${segment}`)!.global,
      tracksWrites: this.tracksWrites,
    };
    return this.module.functions.map((body, i) => rewriteBody(rewriting, {
      body, index: i, pollOnEntry: this.plan.onEntry.has(i),
      loops: this.plan.loops[i]!.map((how) => (how === 'strip' && !this.parts.stripMining ? 'each' : how)),
      computesFloats: this.parts.canonicalNans && this.plan.surveys[i]!.computesFloats,
    }));
  }

  private addedFunctions(globals: readonly { index: number; type: ValueType }[]): AddedFunction[] {
    return [
      ...globals.flatMap(({ index, type }, n) => accessors(n, index, type)),
      ...[...this.flags].map(([key, { droppedBy }]): AddedFunction => ({
        export: `godwit.drop.${key}`, type: { params: [], results: [] }, code: (out) => out.byte(OP.prefixFc, droppedBy[0]!).u32(droppedBy[1]!),
      })),
    ];
  }

  private segment(segment: Segment): Uint8Array {
    const out = new Writer();
    let at = 0;
    segment.spots.forEach(([from, to], i) => {
      out.raw(segment.bytes.subarray(at, from)).u32(this.unwinding.renumber(segment.functions[i]!));
      at = to;
    });
    return out.raw(segment.bytes.subarray(at)).view();
  }

  private get maximumPages(): number {
    return Math.min(this.module.memory.maximum ?? Infinity, Math.floor(this.limits.memoryBytes / WASM_PAGE_BYTES));
  }

  private imports(out: Writer, pages: { initial: number; maximum: number; stack: number; cards: number }): void {
    const memory = (name: string, minimum: number, maximum: number): unknown => out.name(HOST_MODULE).name(name).byte(2, 3).u32(minimum).u32(maximum);
    out.u32(this.module.imports.length + (this.tracksWrites ? 5 : 4));
    for (const { name, type } of this.module.imports) out.name(WASI_MODULE).name(name).byte(0).u32(type);
    out.name(HOST_MODULE).name('poll').byte(0).u32(this.typeIndex({ params: ['i'], results: [] }));
    memory('memory', pages.initial, pages.maximum);
    memory('control', 1, 1);
    memory('stack', pages.stack, pages.stack);
    if (this.tracksWrites) memory('cards', pages.cards, pages.cards);
  }

  private tables(): ModuleDescription['tables'] {
    if (!this.changesTables) return [];
    return this.module.tables.map((t, i) => ({ export: `godwit.table.${i}`, functions: t.type === 'r', maximum: this.tableMaximum(t.maximum) }));
  }
  private tableMaximum(declared: number | undefined): number {
    return Math.min(declared ?? Infinity, this.limits.tableEntries);
  }

  private description(globals: readonly { index: number; type: ValueType }[]): ModuleDescription {
    const { memory } = this.module;
    return {
      version: MIGRATABLE_VERSION,
      initialPages: memory.minimum,
      maximumPages: this.maximumPages,
      stackPages: Math.ceil((savingBase(this.limits.stackBytes) + this.limits.stackBytes) / WASM_PAGE_BYTES),
      cardPages: this.tracksWrites ? Math.ceil(this.maximumPages / CARD_BYTES) : 0,
      globals: globals.map((g) => g.type),
      drops: [...this.flags].map(([key, { global }]) => ({ global: globals.findIndex((g) => g.index === global), export: `godwit.drop.${key}` })),
      tables: this.tables(),
      tableFunctions: this.changesTables ? this.plan.tableFunctions : [],
      sites: this.sites,
    };
  }

  private globals(out: Writer): void {
    const zero = (type: ValueType): Uint8Array => {
      const vector = type === 'v' ? [OP.prefixFd, 0x0c] : [{ i: OP.i32Const, I: OP.i64Const, f: OP.f32Const, F: OP.f64Const }[type as 'i']];
      return new Uint8Array([...vector, ...Array<number>({ i: 1, I: 1, f: 4, F: 8, v: 16, r: 0, x: 0 }[type]).fill(0), OP.end]);
    };
    const own = [...[...this.flags].map(() => 'i' as const), ...this.unwinding.globals];
    out.list([...this.module.globals, ...own.map((type) => ({ type, mutable: true, init: zero(type) }))], (g) => out.byte(TYPE_BYTE[g.type], g.mutable ? 1 : 0).raw(g.init));
  }

  private exports(out: Writer, added: readonly AddedFunction[], description: ModuleDescription): void {
    const { unwinding, module } = this;
    const firstAdded = module.imports.length + 1 + unwinding.functions.length;
    out.list([
      { name: EXPORT_RUN, kind: 0, index: unwinding.runFunction }, { name: EXPORT_RESUME, kind: 0, index: unwinding.resumeFunction },
      { name: EXPORT_UNWIND, kind: 4, index: 0 }, { name: EXPORT_NEXT, kind: 3, index: unwinding.nextGlobal }, { name: EXPORT_SAVED, kind: 3, index: unwinding.savedGlobal },
      ...added.map((f, i) => ({ name: f.export, kind: 0, index: firstAdded + i })),
      ...description.tableFunctions.map((f) => ({ name: `godwit.function.${f}`, kind: 0, index: unwinding.renumber(f) })),
      ...description.tables.map((t, index) => ({ name: t.export, kind: 1, index })),
    ], (e) => out.name(e.name).byte(e.kind).u32(e.index));
  }

  /** The program's tables, and one that holds the resuming forms. */
  private tableSection(out: Writer): void {
    const { resuming } = this.unwinding;
    const tables = [...this.module.tables.map((t) => ({ ...t, maximum: this.tableMaximum(t.maximum) })), { type: 'r' as const, minimum: resuming.length, maximum: resuming.length }];
    out.list(tables, (t) => out.byte(TYPE_BYTE[t.type], 1).u32(t.minimum).u32(t.maximum));
  }
  private elementSection(out: Writer): void {
    const { resuming } = this.unwinding;
    const inTable = new Writer().u32(2).u32(this.module.tables.length).byte(OP.i32Const, 0, OP.end, 0);
    inTable.list(resuming, (f) => inTable.u32(f));
    out.list([...this.module.elements.map((e) => this.segment(e)), inTable.view()], (bytes) => out.raw(bytes));
  }

  run(): Rewritten {
    const { module, unwinding } = this;
    unwinding.define(this.bodies());
    const saved = [
      ...module.globals.map((g, index) => ({ ...g, index })).filter((g) => g.mutable),
      ...[...this.flags.values()].map(({ global }) => ({ index: global, type: 'i' as const })),
    ];
    const description = this.description(saved);
    const added = this.addedFunctions(saved);
    const functionTypes = [...unwinding.functions, ...added].map((f) => this.typeIndex(f.type));
    const tagType = this.typeIndex({ params: [], results: [] });
    const importSection = new Writer();
    this.imports(importSection, { initial: description.initialPages, maximum: description.maximumPages, stack: description.stackPages, cards: description.cardPages });
    const out = new Writer().byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    const section = (id: number, write: (inner: Writer) => void): unknown => out.byte(id).sized(write);
    section(1, (s) => s.list(this.types, (t) => {
      s.byte(0x60).list(t.params, (p) => s.byte(TYPE_BYTE[p])).list(t.results, (r) => s.byte(TYPE_BYTE[r]));
    }));
    section(2, (s) => s.raw(importSection.view()));
    section(3, (s) => s.list(functionTypes, (t) => s.u32(t)));
    section(4, (s) => this.tableSection(s));
    section(13, (s) => s.u32(1).byte(0).u32(tagType));
    section(6, (s) => this.globals(s));
    section(7, (s) => this.exports(s, added, description));
    section(9, (s) => this.elementSection(s));
    section(12, (s) => s.u32(module.data.length));
    section(10, (s) => s.list([
      ...unwinding.functions.map((f) => writeCode(f.code)),
      ...added.map((f) => { const body = new Writer().byte(0); f.code(body); return body.byte(OP.end).view(); }),
    ], (body) => s.u32(body.length).raw(body)));
    section(11, (s) => s.list(module.data, (d) => s.raw(d.bytes)));
    return { bytes: out.view(), description };
  }
}

/** Puts polls, accessors, canonical NaNs and, for large memories, marks of what is written into a valid module. @throws UnacceptableModule naming what stands in the way. */
export function rewriteModule(bytes: Uint8Array, limits: RewriteLimits, parts = ALL_PARTS): Rewritten {
  const module = readModule(bytes, limits);
  return new ModuleRewriter(module, placePolls(module, parts.polls), limits, parts).run();
}

/** Appends a custom section to a module. */
export function withCustomSection(bytes: Uint8Array, name: string, content: Uint8Array): Uint8Array {
  return new Writer().raw(bytes).byte(0).sized((s) => s.name(name).raw(content)).view();
}

/** The description inside an instrumented module; undefined when the module has none of this version. */
export function readDescription(bytes: Uint8Array, section: string): ModuleDescription | undefined {
  const reader = new Reader(bytes, 8);
  while (!reader.done) {
    const id = reader.byte();
    const content = new Reader(reader.take(reader.u32()));
    if (id !== 0 || content.name() !== section) continue;
    const description = JSON.parse(new TextDecoder().decode(content.take(content.end - content.at))) as ModuleDescription;
    return description.version === MIGRATABLE_VERSION ? description : undefined;
  }
  return undefined;
}
