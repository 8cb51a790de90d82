/**
 * What the program can do, function by function, before anything is changed: who calls whom, which loops there are,
 * where it can recurse. From it follows where polls must stand (`placePolls`).
 */
import { Reader } from './binary.js';
import { FC, OP, PLAIN, PREFIX_FD } from './opcodes.js';
import type { FunctionBody, Module } from './module.js';
import { skipInstruction } from './walk.js';
import { BLOCKING_WASI } from './wasi-signatures.js';

export interface LoopSurvey {
  /** Some branch goes back to its head; without one it is a block. */
  repeats: boolean;
  /** Holds another loop that repeats. */
  nests: boolean;
  callees: Set<number>;
  indirectTypes: Set<number>;
  /** Functions that each turn calls, whatever its branches do. */
  surelyCalls: Set<number>;
  /** A branch was seen in its body: what comes behind may be left out in some turn. */
  branches: boolean;
}
export interface FunctionSurvey {
  /** In the order of their heads. */
  readonly loops: LoopSurvey[];
  readonly callees: Set<number>;
  /** Types of the functions that it calls through tables. */
  readonly indirectTypes: Set<number>;
  readonly functionsNamed: Set<number>;
  changesTables: boolean;
  droppedData: Set<number>;
  droppedElements: Set<number>;
  computesFloats: boolean;
}

function surveyPrefixFc(reader: Reader, found: FunctionSurvey): void {
  const op = reader.u32();
  if (op === FC.dataDrop) found.droppedData.add(reader.u32());
  else if (op === FC.elemDrop) found.droppedElements.add(reader.u32());
  else if (CHANGES_TABLE.includes(op)) found.changesTables = true;
}
const CHANGES_TABLE: readonly number[] = [FC.tableInit, FC.tableCopy, FC.tableGrow, FC.tableFill];

const BRANCHES: readonly number[] = [OP.if, OP.loop, OP.br, OP.brIf, OP.brTable, OP.return, OP.unreachable];

interface Frame {
  readonly loop: LoopSurvey | undefined;
}

function branch(frames: readonly Frame[], depth: number): void {
  const target = frames[frames.length - 1 - depth];
  if (!target?.loop || target.loop.repeats) return;
  target.loop.repeats = true;
}

/** Notes an instruction other than of structure, from a reader of its own. */
function note(op: number, reader: Reader, found: FunctionSurvey, loops: readonly LoopSurvey[]): void {
  if (PLAIN[op]) found.computesFloats ||= PLAIN[op].arithmetic;
  else if (op === OP.call) {
    const callee = reader.u32();
    found.callees.add(callee);
    for (const loop of loops) {
      loop.callees.add(callee);
      if (!loop.branches) loop.surelyCalls.add(callee);
    }
  } else if (op === OP.callIndirect) {
    const type = reader.u32();
    found.indirectTypes.add(type);
    for (const loop of loops) loop.indirectTypes.add(type);
  } else if (op === OP.refFunc) found.functionsNamed.add(reader.u32());
  else if (op === OP.tableSet) found.changesTables = true;
  else if (op === OP.prefixFc) surveyPrefixFc(reader, found);
  else if (op === OP.prefixFd) found.computesFloats ||= PREFIX_FD[reader.u32()]?.arithmetic === true;
}

function surveyFunction(body: FunctionBody): FunctionSurvey {
  const found: FunctionSurvey = {
    loops: [], callees: new Set(), indirectTypes: new Set(), functionsNamed: new Set(), changesTables: false,
    droppedData: new Set(), droppedElements: new Set(), computesFloats: false,
  };
  const reader = new Reader(body.code);
  const frames: Frame[] = [{ loop: undefined }];
  let open: LoopSurvey[] = [];
  while (!reader.done) {
    const op = reader.byte();
    const operands = new Reader(body.code, reader.at);
    skipInstruction(op, reader);
    // An `if` decides whether what it holds is run; an inner loop may come back before its last call.
    if (BRANCHES.includes(op)) for (const loop of open) loop.branches = true;
    if (op === OP.block || op === OP.if) frames.push({ loop: undefined });
    else if (op === OP.loop) {
      const loop: LoopSurvey = { repeats: false, nests: false, callees: new Set(), indirectTypes: new Set(), surelyCalls: new Set(), branches: false };
      found.loops.push(loop);
      frames.push({ loop });
      open = [...open, loop];
    } else if (op === OP.end) {
      const closed = frames.pop();
      if (closed?.loop) {
        open = open.slice(0, -1);
        if (closed.loop.repeats) for (const outer of open) outer.nests = true;
      }
    } else if (op === OP.br || op === OP.brIf) branch(frames, operands.u32());
    else if (op === OP.brTable) {
      operands.list(() => branch(frames, operands.u32()));
      branch(frames, operands.u32());
    } else note(op, operands, found, open);
  }
  return found;
}

export interface PollPlan {
  readonly surveys: readonly FunctionSurvey[];
  /** Defined functions (by position among them) that poll when they are entered, because they stand on a cycle of calls. */
  readonly onEntry: ReadonlySet<number>;
  /** Per defined function and loop: no poll, a poll at each turn, or one in so many turns (strip-mined). */
  readonly loops: readonly (readonly ('none' | 'each' | 'strip')[])[];
  /** Original indexes of functions that a table may hold. */
  readonly tableFunctions: readonly number[];
  /** Original indexes of functions, imports that wait among them, in which the stack may be captured. */
  readonly captured: ReadonlySet<number>;
  /** Types with which such functions can be called through a table. */
  readonly capturedTypes: ReadonlySet<number>;
}

/**
 * Finds edges that close cycles in the graph of calls, by depth-first search without recursion; each cycle has one.
 * Nodes from `functionCount` on stand for "called through a table with this type".
 */
function cycleHeads(successors: readonly (readonly number[])[], functionCount: number): Set<number> {
  const heads = new Set<number>();
  const state = new Uint8Array(successors.length); // 0 new, 1 on the path, 2 done
  for (let root = 0; root < successors.length; root++) {
    if (state[root] !== 0) continue;
    const path: { node: number; next: number }[] = [{ node: root, next: 0 }];
    state[root] = 1;
    while (path.length > 0) {
      const top = path[path.length - 1]!;
      const to = successors[top.node]![top.next++];
      if (to === undefined) {
        state[top.node] = 2;
        path.pop();
      } else if (state[to] === 1) heads.add(to < functionCount ? to : top.node);
      else if (state[to] === 0) {
        state[to] = 1;
        path.push({ node: to, next: 0 });
      }
    }
  }
  return heads;
}

interface Captured {
  readonly functions: ReadonlySet<number>;
  readonly types: ReadonlySet<number>;
}

/** Functions in which the stack may be captured: they poll, wait, or call one of these, perhaps through a table. */
function capturable(module: Module, surveys: readonly FunctionSurvey[], onEntry: ReadonlySet<number>, shapes: Shapes): Captured {
  const offset = module.imports.length;
  const functions = new Set<number>();
  const throughTable = new Set<string>();
  const callers = new Map<number | string, number[]>();
  const calls = (callee: number | string, caller: number): void => {
    const known = callers.get(callee);
    if (known) known.push(caller);
    else callers.set(callee, [caller]);
  };
  const work: (number | string)[] = [];
  const found = (index: number): void => {
    if (functions.has(index)) return;
    functions.add(index);
    work.push(index);
    const shape = shapes.ofTableFunction.get(index);
    if (shape === undefined || throughTable.has(shape)) return;
    throughTable.add(shape);
    work.push(shape);
  };
  surveys.forEach((survey, i) => {
    for (const callee of survey.callees) calls(callee, i + offset);
    for (const type of survey.indirectTypes) calls(shapes.ofType[type]!, i + offset);
  });
  module.imports.forEach((i, index) => { if (BLOCKING_WASI.includes(i.name)) found(index); });
  surveys.forEach((survey, i) => { if (onEntry.has(i) || survey.loops.some((l) => l.repeats)) found(i + offset); });
  for (let next = work.pop(); next !== undefined; next = work.pop()) for (const caller of callers.get(next) ?? []) found(caller);
  return { functions, types: new Set(module.types.map((_, type) => type).filter((type) => throughTable.has(shapes.ofType[type]!))) };
}

/** Types of equal shape are one for calls through tables. */
interface Shapes {
  readonly ofType: readonly string[];
  readonly ofTableFunction: ReadonlyMap<number, string>;
}

/** @param polls false for the bench: a module that can be frozen only where it waits. */
export function placePolls(module: Module, polls: boolean): PollPlan {
  const offset = module.imports.length;
  const surveys = module.functions.map(surveyFunction);
  if (!polls) for (const { loops } of surveys) for (const loop of loops) loop.repeats = false;
  const named = new Set(module.elements.flatMap((e) => e.functions));
  for (const survey of surveys) for (const index of survey.functionsNamed) named.add(index);
  const tableFunctions = [...named].sort((a, b) => a - b);
  const ofType = module.types.map((type) => JSON.stringify(type));
  const typeOf = (index: number): number => (index < offset ? module.imports[index]! : module.functions[index - offset]!).type;
  const shapes: Shapes = { ofType, ofTableFunction: new Map(tableFunctions.map((index) => [index, ofType[typeOf(index)]!])) };
  const all = [...new Set(ofType)];
  const functionCount = surveys.length;
  const successors = surveys.map((s) => [
    ...[...s.callees].filter((c) => c >= offset).map((c) => c - offset),
    ...[...s.indirectTypes].map((t) => functionCount + all.indexOf(ofType[t]!)),
  ]);
  const throughTable = all.map((shape) => tableFunctions.filter((f) => f >= offset && shapes.ofTableFunction.get(f) === shape).map((f) => f - offset));
  const onEntry = polls ? cycleHeads([...successors, ...throughTable], functionCount) : new Set<number>();
  const captured = capturable(module, surveys, onEntry, shapes);
  const loops = surveys.map((s) => s.loops.map((loop) => {
    // Each turn calls a function that polls when it is entered: that is this loop's poll too.
    if (!loop.repeats || [...loop.surelyCalls].some((c) => onEntry.has(c - offset))) return 'none' as const;
    const guarded = loop.nests || [...loop.indirectTypes].some((t) => captured.types.has(t)) || [...loop.callees].some((c) => captured.functions.has(c));
    return guarded ? 'each' as const : 'strip' as const;
  }));
  return { surveys, onEntry, loops, tableFunctions, captured: captured.functions, capturedTypes: captured.types };
}
