/**
 * What has to be known of a function before its two forms are written (`forms.ts`): its safepoints, the constructs that
 * hold some, and what is alive behind each.
 */
import { Reader } from './binary.js';
import { decode, type Instruction, type Names } from './code.js';
import { headsOf, liveBehind } from './liveness.js';
import type { FunctionType } from './module.js';
import { OP, type ValueType } from './opcodes.js';

/** What the code of a whole module shares. */
export interface Capturing extends Names {
  typeIndex(type: FunctionType): number;
  /** True when a call of this function, or through a table with this type, can be unwound. */
  readonly capturedCall: (callee: number) => boolean;
  readonly capturedType: (type: number) => boolean;
  readonly pollFunction: number;
  /** `(…values)`: puts them behind what was saved. */
  readonly appendFunction: (types: readonly ValueType[]) => number;
  /** `() → values`: takes them from the frames to resume. */
  readonly takeFunction: (types: readonly ValueType[]) => number;
  /** The address of the frame that is resumed next. */
  readonly nextGlobal: number;
  /** Where a resumed function leaves its results for its caller. */
  readonly resultGlobal: (position: number, type: ValueType) => number;
}
export interface Capturable {
  /** For refusals. */
  readonly name: string;
  /** Stands in its frames. */
  readonly number: number;
  readonly type: FunctionType;
  /** Types of all locals, parameters first. */
  readonly locals: readonly ValueType[];
  readonly code: Uint8Array;
}

export interface Saved {
  readonly local: number;
  readonly type: ValueType;
}
export interface Site {
  /** From 1 on, in the order of the code. */
  readonly number: number;
  /** Types that the call gives. */
  results: readonly ValueType[];
  /** Behind the head of the frame, in this order. */
  saved: readonly Saved[];
}
/** What can be jumped into from the begin of an arm: a site, or a construct with sites in it. Its sites: [from, to). */
export interface Target {
  readonly from: number;
  readonly to: number;
}
export interface CaptureSurvey {
  readonly instructions: readonly Instruction[];
  /** By instruction. */
  readonly sites: ReadonlyMap<number, Site>;
  /** Constructs with sites in them, by the instruction that opens them. */
  readonly suspending: ReadonlySet<number>;
  /** Arms with sites in them, by the instruction that opens them (`else` a second one); -1 is the function. */
  readonly arms: ReadonlyMap<number, readonly Target[]>;
  /** By instruction of a site: locals that may be read behind it. */
  readonly live: ReadonlyMap<number, readonly number[]>;
}

interface OpenConstruct {
  readonly head: number;
  readonly from: number;
  arm: number;
  armFrom: number;
  targets: Target[];
}

export function surveyCapture(capturing: Omit<Capturing, 'locals'>, { code, locals }: Capturable): CaptureSurvey {
  const instructions = decode(code);
  const heads = headsOf(instructions);
  const sites = new Map<number, Site>();
  const suspending = new Set<number>();
  const arms = new Map<number, readonly Target[]>();
  const open: OpenConstruct[] = [{ head: -1, from: 1, arm: -1, armFrom: 1, targets: [] }];
  let next = 1;
  const isSite = (op: number, at: number): boolean => {
    if (op !== OP.call && op !== OP.callIndirect) return false;
    const index = new Reader(code, at).u32();
    return op === OP.call ? capturing.capturedCall(index) : capturing.capturedType(index);
  };
  const closeArm = ({ arm, armFrom, targets }: OpenConstruct): void => { if (next > armFrom) arms.set(arm, targets); };
  instructions.forEach(({ op, at }, i) => {
    const top = open[open.length - 1]!;
    if (op === OP.block || op === OP.loop || op === OP.if) open.push({ head: i, from: next, arm: i, armFrom: next, targets: [] });
    else if (op === OP.else) {
      closeArm(top);
      Object.assign(top, { arm: i, armFrom: next, targets: [] });
    } else if (op === OP.end) {
      closeArm(open.pop()!);
      if (next === top.from || heads[i] === -1) return;
      suspending.add(top.head);
      open[open.length - 1]!.targets.push({ from: top.from, to: next });
    } else if (isSite(op, at)) {
      sites.set(i, { number: next, results: [], saved: [] });
      top.targets.push({ from: next, to: ++next });
    }
  });
  return { instructions, sites, suspending, arms, live: liveBehind(code, instructions, locals.length, new Set(sites.keys())) };
}
