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
  callsIndirect: boolean;
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
    for (const loop of loops) loop.callees.add(callee);
  } else if (op === OP.callIndirect) {
    found.indirectTypes.add(reader.u32());
    for (const loop of loops) loop.callsIndirect = true;
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
    if (op === OP.block || op === OP.if) frames.push({ loop: undefined });
    else if (op === OP.loop) {
      const loop: LoopSurvey = { repeats: false, nests: false, callees: new Set(), callsIndirect: false };
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

/** Functions in which the stack may be captured: they poll, wait, call through a table, or call one of these. */
function capturable(module: Module, surveys: readonly FunctionSurvey[], onEntry: ReadonlySet<number>): Set<number> {
  const offset = module.imports.length;
  const found = new Set<number>();
  module.imports.forEach((i, index) => { if (BLOCKING_WASI.includes(i.name)) found.add(index); });
  const callers = new Map<number, number[]>();
  surveys.forEach((survey, i) => {
    for (const callee of survey.callees) callers.set(callee, [...(callers.get(callee) ?? []), i + offset]);
    if (onEntry.has(i) || survey.indirectTypes.size > 0 || survey.loops.some((l) => l.repeats)) found.add(i + offset);
  });
  const work = [...found];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    for (const caller of callers.get(next) ?? []) {
      if (found.has(caller)) continue;
      found.add(caller);
      work.push(caller);
    }
  }
  return found;
}

export function placePolls(module: Module): PollPlan {
  const offset = module.imports.length;
  const surveys = module.functions.map(surveyFunction);
  const named = new Set(module.elements.flatMap((e) => e.functions));
  for (const survey of surveys) for (const index of survey.functionsNamed) named.add(index);
  const tableFunctions = [...named].sort((a, b) => a - b);
  const shape = (type: number): string => JSON.stringify(module.types[type]);
  const shapes = [...new Set(module.types.map((_, i) => shape(i)))];
  const functionCount = surveys.length;
  const successors = surveys.map((s) => [
    ...[...s.callees].filter((c) => c >= offset).map((c) => c - offset),
    ...[...s.indirectTypes].map((t) => functionCount + shapes.indexOf(shape(t))),
  ]);
  const throughTable = shapes.map((text) => tableFunctions
    .filter((index) => index >= offset && shape(module.functions[index - offset]!.type) === text).map((index) => index - offset));
  const onEntry = cycleHeads([...successors, ...throughTable], functionCount);
  const captured = capturable(module, surveys, onEntry);
  const loops = surveys.map((s) => s.loops.map((loop) => {
    if (!loop.repeats) return 'none' as const;
    const guarded = loop.nests || loop.callsIndirect || [...loop.callees].some((c) => captured.has(c));
    return guarded ? 'each' as const : 'strip' as const;
  }));
  return { surveys, onEntry, loops, tableFunctions };
}
