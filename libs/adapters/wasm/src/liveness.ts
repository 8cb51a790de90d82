/**
 * Which locals a function may still read behind each of its safepoints: only those belong into a captured frame. A
 * backward walk over structured code, repeated until the sets at the heads of loops grow no more.
 */
import { Reader } from './binary.js';
import type { Instruction } from './code.js';
import { OP } from './opcodes.js';

/** A set of locals, as bits. */
type Locals = Uint32Array<ArrayBuffer>;

const include = (into: Locals, from: Locals): boolean => {
  let grown = false;
  for (let i = 0; i < into.length; i++) {
    const both = (into[i]! | from[i]!) >>> 0;
    grown ||= both !== into[i]!;
    into[i] = both;
  }
  return grown;
};

interface Frame {
  readonly head: number;
  /** Live where a branch to this construct arrives. */
  readonly label: Locals;
  /** Live behind the construct. */
  readonly behind: Locals;
  /** Live at the begin of the `else` arm, once it is known. */
  otherwise: Locals | undefined;
}

class BackwardWalk {
  grown = false;
  private live: Locals;
  private readonly frames: Frame[] = [];
  constructor(
    private readonly code: Uint8Array, private readonly instructions: readonly Instruction[], private readonly heads: Int32Array,
    private readonly loops: Map<number, Locals>, private readonly words: number, private readonly note: (instruction: number, live: Locals) => void,
  ) {
    this.live = new Uint32Array(words);
  }

  run(): void {
    for (let i = this.instructions.length - 1; i >= 0; i--) this.step(i, this.instructions[i]!);
  }

  private step(i: number, { op, at }: Instruction): void {
    const operands = new Reader(this.code, at);
    switch (op) {
      case OP.end: return this.close(this.heads[i]!);
      case OP.else: {
        const frame = this.frames[this.frames.length - 1]!;
        frame.otherwise = this.live;
        this.live = frame.behind.slice();
        return;
      }
      case OP.block: case OP.loop: case OP.if: return this.open(op);
      case OP.br: this.live = this.label(operands.u32()).slice(); return;
      case OP.brIf: include(this.live, this.label(operands.u32())); return;
      case OP.brTable: {
        this.live = new Uint32Array(this.words);
        operands.list(() => include(this.live, this.label(operands.u32())));
        include(this.live, this.label(operands.u32()));
        return;
      }
      case OP.return: case OP.unreachable: this.live = new Uint32Array(this.words); return;
      case OP.localGet: { const local = operands.u32(); this.live[local >> 5]! |= 1 << (local & 31); return; }
      case OP.localSet: case OP.localTee: { const local = operands.u32(); this.live[local >> 5]! &= ~(1 << (local & 31)); return; }
      case OP.call: case OP.callIndirect: this.note(i, this.live); return;
      default:
    }
  }
  private label(depth: number): Locals {
    return this.frames[this.frames.length - 1 - depth]!.label;
  }
  private close(head: number): void {
    const behind = this.live.slice();
    let label = behind;
    if (head >= 0 && this.instructions[head]!.op === OP.loop) {
      label = this.loops.get(head) ?? new Uint32Array(this.words);
      this.loops.set(head, label);
    }
    this.frames.push({ head, label, behind, otherwise: undefined });
  }
  private open(op: number): void {
    const frame = this.frames.pop()!;
    if (op === OP.if) include(this.live, frame.otherwise ?? frame.behind);
    if (op === OP.loop && include(frame.label, this.live)) this.grown = true;
  }
}

/** For each `end` the instruction that it ends; -1 for the function's own. */
export function headsOf(instructions: readonly Instruction[]): Int32Array {
  const heads = new Int32Array(instructions.length).fill(-1);
  const open: number[] = [];
  instructions.forEach(({ op }, i) => {
    if (op === OP.block || op === OP.loop || op === OP.if) open.push(i);
    else if (op === OP.end) heads[i] = open.pop() ?? -1;
  });
  return heads;
}

/** For each call among `sites` (indexes of instructions): the locals that may be read behind it, ascending. */
export function liveBehind(code: Uint8Array, instructions: readonly Instruction[], localCount: number, sites: ReadonlySet<number>): Map<number, number[]> {
  const words = (localCount + 31) >> 5;
  const heads = headsOf(instructions);
  const loops = new Map<number, Locals>();
  const found = new Map<number, number[]>();
  const list = (live: Locals): number[] => {
    const locals: number[] = [];
    for (let local = 0; local < localCount; local++) if (live[local >> 5]! & (1 << (local & 31))) locals.push(local);
    return locals;
  };
  for (let grown = true; grown;) {
    const walk = new BackwardWalk(code, instructions, heads, loops, words, () => undefined);
    walk.run();
    grown = walk.grown;
  }
  new BackwardWalk(code, instructions, heads, loops, words, (i, live) => { if (sites.has(i)) found.set(i, list(live)); }).run();
  return found;
}
