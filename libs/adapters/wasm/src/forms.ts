/**
 * The two forms of a function that can be captured: the one that runs, and the one that goes on from a saved frame. Both
 * save themselves when an unwinding passes through one of their calls. See the essay in `rewrite.ts`.
 */
import { Reader, UnacceptableModule, Writer } from './binary.js';
import { surveyCapture, type Capturable, type CaptureSurvey, type Capturing, type Saved, type Site } from './capture.js';
import { blockType, effectOf, type Instruction } from './code.js';
import { AddedLocals } from './float-stack.js';
import type { FunctionType } from './module.js';
import { OP, TYPE_BYTE, type ValueType } from './opcodes.js';

/** Indexes among the instrumented module's memories. */
const CONTROL_MEMORY = 1;
const STACK_MEMORY = 2;
/** The module's only tag: the host throws it to unwind. */
const UNWIND_TAG = 0;
/** A frame begins with its function's number and its site's. */
export const FRAME_HEAD: readonly ValueType[] = ['i', 'i'];
const SITE_OFFSET = 4;
export const FRAME_HEAD_BYTES = 8;
/** Values that one call saves or takes: engines allow 1,000 parameters. */
const MOST_VALUES = 900;
/** Frames are ordered by type, so that many share one function that saves them. */
const TYPE_ORDER: readonly ValueType[] = ['i', 'I', 'f', 'F', 'v'];
/** Alignment of one byte, and "a memory's index follows". */
const MEMORY_FOLLOWS = 0x40;
const VOID = 0x40;

export interface Code {
  /** Types of the locals behind the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: Uint8Array;
}

interface Frame {
  /** Depth that a branch to this frame's label aims at. */
  readonly label: number;
  /** Height of the operand stack under it. */
  readonly base: number;
  readonly type: FunctionType;
  readonly suspends: boolean;
}

class FormWriter {
  readonly out = new Writer();
  private readonly stack: ValueType[] = [];
  private readonly frames: Frame[] = [];
  /** Frames that are open in the written code. */
  private depth = 0;

  constructor(
    private readonly capturing: Capturing, private readonly fn: Capturable, private readonly survey: CaptureSurvey,
    private readonly added: AddedLocals, private readonly resumes: boolean,
  ) {}

  run(): Uint8Array {
    const { results } = this.fn.type;
    if (this.resumes) {
      this.restore();
      this.out.byte(OP.block);
      this.writeBlockType({ params: [], results });
      this.depth = 1;
    }
    this.frames.push({ label: this.depth, base: 0, type: { params: [], results }, suspends: false });
    this.openArm(-1);
    this.survey.instructions.forEach((instruction, i) => this.step(instruction, i));
    if (!this.resumes) return this.out.view();
    for (let r = results.length - 1; r >= 0; r--) this.out.byte(OP.globalSet).u32(this.capturing.resultGlobal(r, results[r]!));
    return this.out.byte(OP.end).view();
  }

  private step(instruction: Instruction, i: number): void {
    const { op, begin, at, end } = instruction;
    const operands = new Reader(this.fn.code, at);
    const raw = this.fn.code.subarray(begin, end);
    switch (op) {
      case OP.block: case OP.loop: case OP.if: return this.open(op, i, raw, operands);
      case OP.else: return this.otherwise(i);
      case OP.end: return this.close();
      case OP.br: case OP.brIf:
        this.out.byte(op).u32(this.aim(operands.u32()));
        if (op === OP.brIf) this.stack.pop();
        return;
      case OP.brTable:
        this.out.byte(op).list(operands.list(() => operands.u32()), (d) => this.out.u32(this.aim(d))).u32(this.aim(operands.u32()));
        return;
      case OP.return:
        if (this.resumes) this.out.byte(OP.br).u32(this.depth - this.frames[0]!.label);
        else this.out.byte(op);
        return;
      case OP.unreachable: this.out.byte(op); return;
      case OP.i32Const: if (this.isPoll(i + 1)) return; break;
      default:
    }
    const site = this.survey.sites.get(i);
    if (site && this.isPoll(i)) return this.poll(i, site);
    if (site) return this.call(op, i, site, raw, operands);
    this.out.raw(raw);
    const { takes, gives } = effectOf(op, operands, this.capturing, () => this.stack[this.stack.length - 2]!);
    this.stack.length -= takes;
    this.stack.push(...gives);
  }
  private aim(depth: number): number {
    return this.depth - this.frames[this.frames.length - 1 - depth]!.label;
  }
  private isPoll(i: number): boolean {
    const next = this.survey.instructions[i];
    return next?.op === OP.call && this.survey.sites.has(i) && new Reader(this.fn.code, next.at).u32() === this.capturing.pollFunction;
  }
  private writeBlockType(type: FunctionType): void {
    if (type.params.length > 0 || type.results.length > 1) this.out.s32(this.capturing.typeIndex(type));
    else this.out.byte(type.results.length === 0 ? VOID : TYPE_BYTE[type.results[0]!]);
  }

  // The operand stack. What lies under a construct with sites, or under a site, is kept in locals meanwhile.

  private get base(): number {
    return this.frames[this.frames.length - 1]!.base;
  }
  private set(type: ValueType, purpose: string): void {
    this.out.byte(OP.localSet).u32(this.added.get(type, purpose));
  }
  private get(type: ValueType, purpose: string): void {
    this.out.byte(OP.localGet).u32(this.added.get(type, purpose));
  }
  private spill(): void {
    for (let j = this.stack.length - 1; j >= this.base; j--) this.set(this.stack[j]!, `spill ${j}`);
  }
  /** Brings the spilled values back, under the results that are on the real stack already. */
  private reload(results: readonly ValueType[], resultsAreKept = false): void {
    const kept = resultsAreKept || this.stack.length > this.base;
    if (kept && !resultsAreKept) this.keep(results, 'result');
    for (let j = this.base; j < this.stack.length; j++) this.get(this.stack[j]!, `spill ${j}`);
    if (kept) results.forEach((type, r) => this.get(type, `result ${r}`));
    this.stack.push(...results);
  }
  private keep(types: readonly ValueType[], purpose: string): void {
    for (let j = types.length - 1; j >= 0; j--) this.set(types[j]!, `${purpose} ${j}`);
  }

  // Structure.

  private open(op: number, i: number, raw: Uint8Array, operands: Reader): void {
    const type = blockType(operands, this.capturing.module.types);
    if (op === OP.if) this.stack.pop();
    const base = this.stack.length - type.params.length;
    const suspends = this.survey.suspending.has(i);
    if (suspends) {
      if (op === OP.loop && type.params.length > 0) {
        throw new UnacceptableModule('not-migratable', `a loop of ${this.fn.name} that can be stopped takes values from the stack, which no compiler's output does`);
      }
      if (op === OP.if) this.set('i', 'condition');
      this.spill();
      this.arrive();
      if (op === OP.if) this.condition(i);
      this.out.byte(op);
      this.writeBlockType({ params: [], results: type.results });
    } else this.out.raw(raw);
    this.frames.push({ label: ++this.depth, base, type, suspends });
    if (suspends) this.openArm(i);
  }
  private otherwise(i: number): void {
    const { base, type, suspends } = this.frames[this.frames.length - 1]!;
    this.out.byte(OP.else);
    this.stack.length = base;
    this.stack.push(...type.params);
    if (suspends) this.openArm(i);
  }
  private close(): void {
    const { base, type, suspends } = this.frames.pop()!;
    this.out.byte(OP.end);
    this.depth--;
    if (this.frames.length === 0) return;
    this.stack.length = base;
    if (suspends) this.reload(type.results);
    else this.stack.push(...type.results);
  }

  /** Going on: from the begin of an arm to the place in it where the frame was saved. */
  private openArm(key: number): void {
    const targets = this.survey.arms.get(key);
    if (this.resumes && targets) {
      for (let t = 0; t < targets.length; t++) this.out.byte(OP.block, VOID);
      if (targets.length === 1) this.resumeLocal(OP.localGet).byte(OP.brIf, 0);
      else {
        const depths = targets.flatMap(({ from, to }, t) => Array<number>(to - from).fill(t + 1));
        this.out.byte(OP.block, VOID);
        this.resumeLocal(OP.localGet).byte(OP.i32Const).s32(targets[0]!.from).byte(OP.i32Sub, OP.brTable);
        this.out.list(depths, (d) => this.out.u32(d)).byte(0, OP.end);
      }
      this.depth += targets.length;
    }
    if (key >= 0) for (let j = this.base; j < this.stack.length; j++) this.get(this.stack[j]!, `spill ${j}`);
  }
  private resumeLocal(op: number): Writer {
    return this.out.byte(op).u32(this.added.get('i', 'resume'));
  }
  /** The place behind a site, or before a construct, that `openArm` jumps to. */
  private arrive(): void {
    if (!this.resumes) return;
    this.out.byte(OP.end);
    this.depth--;
  }
  /** What an `if` decides by: while going on, which of its arms the place is in. */
  private condition(i: number): void {
    this.get('i', 'condition');
    if (!this.resumes) return;
    const targets = this.survey.arms.get(i);
    if (targets) {
      const [from, to] = [targets[0]!.from, targets[targets.length - 1]!.to];
      this.resumeLocal(OP.localGet).byte(OP.i32Const).s32(from).byte(OP.i32Sub, OP.i32Const).s32(to - from).byte(OP.i32LtU);
    } else this.out.byte(OP.i32Const, 0);
    this.resumeLocal(OP.localGet).byte(OP.i32Eqz, OP.select);
  }

  // Sites.

  private call(op: number, i: number, site: Site, raw: Uint8Array, operands: Reader): void {
    const index = operands.u32();
    const type = op === OP.call ? this.capturing.typeOf(index) : this.capturing.module.types[index]!;
    const takes: ValueType[] = op === OP.call ? [...type.params] : [...type.params, 'i'];
    this.stack.length -= takes.length;
    if (this.stack.length > this.base) {
      this.keep(takes, 'argument');
      this.spill();
      takes.forEach((t, j) => this.get(t, `argument ${j}`));
    }
    site.results = type.results;
    this.out.byte(OP.try);
    this.writeBlockType({ params: takes, results: type.results });
    this.out.raw(raw);
    this.saveOnUnwind(i, site);
    if (this.resumes) {
      this.keep(type.results, 'result');
      this.arrive();
      this.out.byte(OP.i32Const, 0);
      this.resumeLocal(OP.localSet);
    }
    this.reload(type.results, this.resumes);
  }

  /** A poll stands in the code as `i32.const number; call poll`: here it gets its condition. */
  private poll(i: number, site: Site): void {
    const { code } = this.fn;
    const number = this.survey.instructions[i - 1]!;
    this.spill();
    this.out.byte(OP.i32Const, 0, OP.i32Load, 2 | MEMORY_FOLLOWS).u32(CONTROL_MEMORY).byte(0, OP.if, VOID, OP.try, VOID);
    this.out.raw(code.subarray(number.begin, number.end)).raw(code.subarray(this.survey.instructions[i]!.begin, this.survey.instructions[i]!.end));
    this.saveOnUnwind(i, site);
    this.out.byte(OP.end);
    if (this.resumes) {
      this.arrive();
      this.out.byte(OP.i32Const, 0);
      this.resumeLocal(OP.localSet);
    }
    this.reload([]);
  }

  private saveOnUnwind(i: number, site: Site): void {
    if (!this.resumes) this.chooseSaved(i, site);
    this.out.byte(OP.catch, UNWIND_TAG, OP.i32Const).s32(this.fn.number).byte(OP.i32Const).s32(site.number);
    let types = [...FRAME_HEAD];
    for (const { local, type } of site.saved) {
      if (types.length === MOST_VALUES) {
        this.out.byte(OP.call).u32(this.capturing.appendFunction(types));
        types = [];
      }
      this.out.byte(OP.localGet).u32(local);
      types.push(type);
    }
    this.out.byte(OP.call).u32(this.capturing.appendFunction(types)).byte(OP.rethrow, 0, OP.end);
  }
  private chooseSaved(i: number, site: Site): void {
    const { locals, name } = this.fn;
    const kept: Saved[] = [
      ...this.survey.live.get(i)!.map((local) => ({ local, type: locals[local]! })),
      ...this.stack.map((type, j) => ({ local: this.added.get(type, `spill ${j}`), type })),
    ];
    if (kept.some(({ type }) => type === 'r' || type === 'x')) {
      throw new UnacceptableModule('not-migratable', `${name} keeps a reference in a variable during a call, which cannot be moved`);
    }
    site.saved = kept.sort((x, y) => TYPE_ORDER.indexOf(x.type) - TYPE_ORDER.indexOf(y.type) || x.local - y.local);
  }

  /** Takes the next frame from the stack: its locals, and the results of the call that it waited for. */
  private restore(): void {
    const { out, capturing } = this;
    const sites = [...this.survey.sites.values()];
    out.byte(OP.globalGet).u32(capturing.nextGlobal).byte(OP.i32Load, MEMORY_FOLLOWS, STACK_MEMORY, SITE_OFFSET);
    this.resumeLocal(OP.localSet).byte(OP.globalGet).u32(capturing.nextGlobal).byte(OP.i32Const, FRAME_HEAD_BYTES, OP.i32Add, OP.globalSet).u32(capturing.nextGlobal);
    out.byte(OP.block, VOID, OP.block, VOID);
    for (let s = 0; s < sites.length; s++) out.byte(OP.block, VOID);
    this.resumeLocal(OP.localGet).byte(OP.i32Const, 1, OP.i32Sub, OP.brTable).list(sites, (_, s) => out.u32(s)).u32(sites.length);
    sites.forEach((site, s) => {
      out.byte(OP.end);
      this.take(site.saved);
      site.results.forEach((type, r) => {
        out.byte(OP.globalGet).u32(capturing.resultGlobal(r, type));
        this.set(type, `result ${r}`);
      });
      out.byte(OP.br).u32(sites.length - s);
    });
    out.byte(OP.end, OP.unreachable, OP.end);
  }
  private take(saved: readonly Saved[]): void {
    // In the pieces in which they were appended, the first with the frame's head.
    for (let from = 0, to = MOST_VALUES - FRAME_HEAD.length; from < saved.length; from = to, to += MOST_VALUES) {
      const part = saved.slice(from, to);
      this.out.byte(OP.call).u32(this.capturing.takeFunction(part.map(({ type }) => type)));
      for (const { local } of part.reverse()) this.out.byte(OP.localSet).u32(local);
    }
  }
}

/** Both forms. The second takes nothing and gives nothing: a frame in, results in the result globals. */
export function capturableForms(shared: Omit<Capturing, 'locals'>, fn: Capturable): { running: Code; resuming: Code } {
  const survey = surveyCapture(shared, fn);
  const capturing: Capturing = { ...shared, locals: fn.locals };
  const added = new AddedLocals(fn.locals.length);
  const running = new FormWriter(capturing, fn, survey, added, false).run();
  const resuming = new FormWriter(capturing, fn, survey, added, true).run();
  const locals = [...fn.locals, ...added.types];
  return { running: { locals: locals.slice(fn.type.params.length), code: running }, resuming: { locals, code: resuming } };
}
