/**
 * What an instrumented module and the worker that runs it agree on: imports, exports, control words, description.
 * A change of any of it, or of the instrumentation's output, raises `MIGRATABLE_VERSION`: stacks of captured threads
 * are laid out by the instrumented code, so a snapshot is rebuilt only over the very same instrumented bytes.
 */
import type { ValueType } from './opcodes.js';

/** Part of every name under which an instrumented module is cached. */
export const MIGRATABLE_VERSION = 3;

export const HOST_MODULE = 'godwit';
/** Imports from `HOST_MODULE`; the memories stand at these indexes, the program's own first, cards only where writes are tracked. */
export const HOST_MEMORIES = ['memory', 'control', 'stack', 'cards'] as const;
export const RESERVED_EXPORT = /^godwit\./;
export const EXPORT_RUN = 'godwit.run';
/** Goes on from the frames in the stack's memory. */
export const EXPORT_RESUME = 'godwit.resume';
/** The tag of the exception that unwinds: thrown by an import, it leaves the program, and every frame saves itself. */
export const EXPORT_UNWIND = 'godwit.unwind';
/** Globals of type i32: the address of the next frame to resume, and the one behind the last that was saved. */
export const EXPORT_NEXT = 'godwit.next';
export const EXPORT_SAVED = 'godwit.saved';
export const DESCRIPTION_SECTION = 'godwit';

export const WASM_PAGE_BYTES = 65_536;
/** A card stands for so many bytes of the program's memory: those of a block that is copied. */
export const CARD_BYTES = 4_096;
/** Where the captured stack begins, innermost frame first; before it stands a word with the address of its end. */
export const STACK_BASE = 16;
/** Where frames are saved during an unwinding, before they are put in front of those that were not resumed yet. */
export const savingBase = (stackBytes: number): number => STACK_BASE + Math.ceil(stackBytes / 16) * 16;

/** Indexes of 32-bit words in the control memory, which program, worker and main thread share. */
export const WORD = {
  /** Read at every poll: non-zero when the host wants something of the program. Bits: `ATTENTION`. */
  attention: 0,
  /** Raised and notified when records or a freeze wait for a blocked reader. */
  feed: 1,
  /** Raised and notified to end a hold of the duty cycle early. */
  wake: 2,
  memoryPages: 3,
  stderrBytes: 4,
  consumedRecords: 5,
  sites: 128,
  calls: 256,
} as const;
export const ATTENTION = { freeze: 1, tick: 2 } as const;
/** Indexes of 64-bit floats in the control memory. */
export const REAL = { cpuSeconds: 16, heldSeconds: 17, polls: 18, dutyRatio: 19 } as const;
/** Safepoint sites are counted in this many counters. */
export const SITE_COUNTERS = 64;

/** Passed beside the code, in a custom section of the instrumented module. */
export interface ModuleDescription {
  readonly version: number;
  /** Of the program's own memory, pages of 64 KiB. */
  readonly initialPages: number;
  readonly maximumPages: number;
  /** Of the memory for the captured stack. */
  readonly stackPages: number;
  /** Of the memory of cards, where writes are tracked; else 0, and there is no such memory. */
  readonly cardPages: number;
  /** Types of the saved globals, in order: `godwit.get.<n>`, `godwit.set.<n>`. */
  readonly globals: readonly ValueType[];
  /** Droppable segments: saved global (a flag) and the export that drops again. */
  readonly drops: readonly { readonly global: number; readonly export: string }[];
  /** Tables that the program can change; empty when it changes none. */
  readonly tables: readonly { readonly export: string; readonly functions: boolean; readonly maximum: number }[];
  /** Function indexes (of the original module) that a table can hold; exported as `godwit.function.<index>`. */
  readonly tableFunctions: readonly number[];
  /** One label for each safepoint site: `loop:<function>.<ordinal>` or `call:<function>`. */
  readonly sites: readonly string[];
}
