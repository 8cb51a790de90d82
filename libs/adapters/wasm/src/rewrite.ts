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
 *  - Binaryen for the polls too: its JavaScript interface hides table and bulk instructions, and one crossing per node
 *    is slow. A rewriting of the binary reads each byte once and refuses every instruction that it does not know.
 *
 * THE WAY. Binaryen's Asyncify gives every function that can be on a captured stack a second exit, which stores its
 * locals and its place, and a second entry, which loads them. It unwinds and rewinds at calls of chosen imports: ours are
 * `godwit.poll` and the WASI calls that wait. We put the polls in, before Asyncify:
 *
 *   poll(site) :=  if (i32.atomic.load $control 0) call $godwit.poll(site)
 *
 *   function on a cycle of calls     f(…) { poll; … }          one function of each cycle, also through tables
 *   loop that holds loops or calls   loop L { poll; … br L … }
 *   innermost loop, strip-mined      loop P { poll; fuel = 1024
 *                                      loop L { if (--fuel == 0) br P; … br L … } }
 *
 * A branch to P re-enters L at its head with all locals as they are, so it is a `continue` that polls. L has no call in
 * it that can be captured, so Asyncify puts no guard inside it: that is what the strip-mining is for (see
 * `instrumentation.bench.ts`). What a poll reads is one word that the host raises for a freeze, or to take its time
 * (every 10 ms): an untaken poll is three loads and a branch, without a dependency on the turn before.
 *
 * Loops and cycles of calls are the only ways to run for long, so every program reaches a poll. Exceptions: a loop of
 * 1,024 turns whose turns each copy megabytes with one `memory.copy`; the watchdog (`limits.safepointMs`) ends that.
 *
 * MEMORIES. 0 `godwit.memory` is the program's own, made by the host: shared, so that the main thread can read it while
 * the program runs, with a maximum that is the smaller of declared and registered. 1 `godwit.control` holds the words of
 * `abi.ts`. 2 `godwit.stack` takes the captured stack: Asyncify is told to use it (`asyncify-memory`), so nothing is
 * stored in the program's memory, its allocator is not disturbed, `memory.size` says what it said, and a stack that is
 * too deep ends in an out-of-bounds trap in *that* memory (`limit-exceeded`), never in corruption.
 *
 * STATE is complete with: memory 0, memory 2, mutable globals (accessors by bit pattern: `godwit.get.<n>`,
 * `godwit.set.<n>`), tables where the program can change them (their functions are exported and so known by number),
 * dropped segments (a flag is set beside each drop, and the host drops them again), and the WASI host's own.
 *
 * DETERMINISM. NaNs: see `float-stack.ts`. Refused: relaxed SIMD, threads, everything of proposals not listed in
 * `opcodes.ts`. Not covered: the depth at which the *native* stack ends, which differs between processors; a program
 * that gets there is ended by a fault, on whatever machine it runs.
 */
import { Reader, Writer } from './binary.js';
import { EXPORT_RUN, EXPORT_STACK, HOST_MODULE, STACK_BASE, WASM_PAGE_BYTES, type ModuleDescription, MIGRATABLE_VERSION } from './abi.js';
import { rewriteBody, type Rewriting } from './body.js';
import { readModule, type FunctionType, type Module, type Segment } from './module.js';
import { OP, TYPE_BYTE, type ValueType } from './opcodes.js';
import { placePolls, type PollPlan } from './survey.js';
import { WASI_MODULE } from './wasi-signatures.js';

export interface RewriteLimits {
  readonly memoryBytes: number;
  readonly stackBytes: number;
  readonly tableEntries: number;
}
/** Parts of the rewriting that the bench leaves out, to tell what each costs. All are on for programs that run. */
export interface RewriteParts {
  readonly stripMining: boolean;
  readonly canonicalNans: boolean;
}
const ALL_PARTS: RewriteParts = { stripMining: true, canonicalNans: true };

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
  private readonly pollFunction: number;
  private readonly flags = new Map<string, { global: number; droppedBy: readonly number[] }>();
  private readonly sites: string[] = [];
  private readonly changesTables: boolean;

  constructor(private readonly module: Module, private readonly plan: PollPlan, private readonly limits: RewriteLimits, private readonly parts: RewriteParts) {
    this.types = [...module.types];
    this.pollFunction = module.imports.length;
    this.changesTables = plan.surveys.some((s) => s.changesTables);
    const flag = (kind: 'data' | 'elements', segment: number, opcode: number): void => {
      const key = `${kind} ${segment}`;
      if (!this.flags.has(key)) this.flags.set(key, { global: module.globals.length + this.flags.size, droppedBy: [opcode, segment] });
    };
    for (const survey of plan.surveys) {
      for (const segment of survey.droppedData) flag('data', segment, 9);
      for (const segment of survey.droppedElements) flag('elements', segment, 13);
    }
  }

  private typeIndex(type: FunctionType): number {
    const key = JSON.stringify(type);
    const known = this.types.findIndex((t) => JSON.stringify(t) === key);
    return known >= 0 ? known : this.types.push(type) - 1;
  }
  private readonly renumber = (index: number): number => (index < this.module.imports.length ? index : index + 1);

  private bodies(): Writer[] {
    const rewriting: Rewriting = {
      module: this.module, renumber: this.renumber, pollFunction: this.pollFunction,
      site: (label) => this.sites.push(label) - 1,
      dropFlag: (kind, segment) => this.flags.get(`${kind} ${segment}`)!.global,
    };
    return this.module.functions.map((body, i) => rewriteBody(rewriting, {
      body, index: i, pollOnEntry: this.plan.onEntry.has(i),
      loops: this.plan.loops[i]!.map((how) => (how === 'strip' && !this.parts.stripMining ? 'each' : how)),
      computesFloats: this.parts.canonicalNans && this.plan.surveys[i]!.computesFloats,
    }));
  }

  private addedFunctions(globals: readonly { index: number; type: ValueType }[]): AddedFunction[] {
    const { startFunction, entry } = this.module;
    return [
      {
        export: EXPORT_RUN, type: { params: [], results: [] },
        code: (out) => {
          if (startFunction !== undefined) out.byte(OP.call).u32(this.renumber(startFunction));
          out.byte(OP.call).u32(this.renumber(entry));
        },
      },
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
      out.raw(segment.bytes.subarray(at, from)).u32(this.renumber(segment.functions[i]!));
      at = to;
    });
    return out.raw(segment.bytes.subarray(at)).view();
  }

  private imports(out: Writer, pages: { initial: number; maximum: number; stack: number }): void {
    const memory = (name: string, minimum: number, maximum: number): unknown => out.name(HOST_MODULE).name(name).byte(2, 3).u32(minimum).u32(maximum);
    out.u32(this.module.imports.length + 4);
    for (const { name, type } of this.module.imports) out.name(WASI_MODULE).name(name).byte(0).u32(type);
    out.name(HOST_MODULE).name('poll').byte(0).u32(this.typeIndex({ params: ['i'], results: [] }));
    memory('memory', pages.initial, pages.maximum);
    memory('control', 1, 1);
    memory('stack', pages.stack, pages.stack);
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
      maximumPages: Math.min(memory.maximum ?? Infinity, Math.floor(this.limits.memoryBytes / WASM_PAGE_BYTES)),
      stackPages: Math.ceil((this.limits.stackBytes + STACK_BASE) / WASM_PAGE_BYTES),
      globals: globals.map((g) => g.type),
      drops: [...this.flags].map(([key, { global }]) => ({ global: globals.findIndex((g) => g.index === global), export: `godwit.drop.${key}` })),
      tables: this.tables(),
      tableFunctions: this.changesTables ? this.plan.tableFunctions : [],
      sites: this.sites,
    };
  }

  run(): Rewritten {
    const { module } = this;
    const bodies = this.bodies();
    const globals = [
      ...module.globals.map((g, index) => ({ ...g, index })).filter((g) => g.mutable),
      ...[...this.flags.values()].map(({ global }) => ({ index: global, type: 'i' as const })),
    ];
    const description = this.description(globals);
    const added = this.addedFunctions(globals);
    const firstAdded = module.imports.length + 1 + module.functions.length;
    const addedTypes = added.map((f) => this.typeIndex(f.type));
    const importSection = new Writer();
    this.imports(importSection, { initial: description.initialPages, maximum: description.maximumPages, stack: description.stackPages });
    const out = new Writer().byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    const section = (id: number, write: (inner: Writer) => void): unknown => out.byte(id).sized(write);
    section(1, (s) => s.list(this.types, (t) => {
      s.byte(0x60).list(t.params, (p) => s.byte(TYPE_BYTE[p])).list(t.results, (r) => s.byte(TYPE_BYTE[r]));
    }));
    section(2, (s) => s.raw(importSection.view()));
    section(3, (s) => s.list([...module.functions.map((f) => f.type), ...addedTypes], (t) => s.u32(t)));
    section(4, (s) => s.list(module.tables, (t) => s.byte(TYPE_BYTE[t.type], 1).u32(t.minimum).u32(this.tableMaximum(t.maximum))));
    section(6, (s) => s.list([
      ...module.globals,
      ...[...this.flags].map(() => ({ type: 'i' as const, mutable: true, init: new Uint8Array([OP.i32Const, 0, OP.end]) })),
    ], (g) => s.byte(TYPE_BYTE[g.type], g.mutable ? 1 : 0).raw(g.init)));
    section(7, (s) => s.list([
      { name: EXPORT_STACK, kind: 2, index: 2 },
      ...added.map((f, i) => ({ name: f.export, kind: 0, index: firstAdded + i })),
      ...description.tableFunctions.map((f) => ({ name: `godwit.function.${f}`, kind: 0, index: this.renumber(f) })),
      ...description.tables.map((t, index) => ({ name: t.export, kind: 1, index })),
    ], (e) => s.name(e.name).byte(e.kind).u32(e.index)));
    section(9, (s) => s.list(module.elements, (e) => s.raw(this.segment(e))));
    section(12, (s) => s.u32(module.data.length));
    section(10, (s) => s.list([
      ...bodies.map((b) => b.view()),
      ...added.map((f) => { const body = new Writer().byte(0); f.code(body); return body.byte(OP.end).view(); }),
    ], (body) => s.u32(body.length).raw(body)));
    section(11, (s) => s.list(module.data, (d) => s.raw(d.bytes)));
    return { bytes: out.view(), description };
  }
}

/** Puts polls, accessors and canonical NaNs into a valid module. @throws UnacceptableModule naming what stands in the way. */
export function rewriteModule(bytes: Uint8Array, limits: RewriteLimits, parts = ALL_PARTS): Rewritten {
  const module = readModule(bytes, limits);
  return new ModuleRewriter(module, placePolls(module), limits, parts).run();
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
