/**
 * A thread's state as sections of a snapshot, and back. Nothing of a snapshot is believed: every size is checked against
 * the module and the limits before memory is taken, and a checksum over all of it finds what was altered by accident.
 * (Against intent stand the digest of the transfer and the program's own walls: a stack that lies ends in a trap.)
 *
 *   program    version, exited, digest of the instrumented module (the stack's layout is that module's)
 *   memory     see `memory-image.ts`        stack    bytes from STACK_BASE to the captured top
 *              (of a live copy, whose memory came before: u32 pages)
 *   globals    8 bytes each                 tables   u32 entries, then u32 each: 0 null, else function + 1
 *   wasi       see `wasi-state.ts`          checksum CRC-32 of everything above and of the snapshot's own fields
 */
import { crc32 } from 'node:zlib';
import { refuse, type Refusal } from '@godwit/kernel';
import type { Section, ThreadSnapshot } from '@godwit/snapshot';
import { MIGRATABLE_VERSION, STACK_BASE, WASM_PAGE_BYTES, type ModuleDescription } from './abi.js';
import { FieldReader, FieldWriter } from './bytes.js';
import { decodeMemory, type MemoryImage } from './memory-image.js';
import type { HeldState } from './protocol.js';
import { decodeWasi } from './wasi-state.js';

const NAMES = ['program', 'memory', 'stack', 'globals', 'tables', 'wasi', 'checksum'] as const;

export interface ThreadState {
  readonly exited: boolean;
  readonly stack: Uint8Array;
  readonly held: HeldState;
}
export interface StateImage {
  readonly exited: boolean;
  readonly memory: MemoryImage;
  readonly stack: Uint8Array;
  readonly held: HeldState;
}
/** What a state must fit: the module as instrumented here, and its digest (32 bytes). */
export interface Fitting {
  readonly description: ModuleDescription;
  readonly migratableDigest: Uint8Array;
  readonly stackBytes: number;
}

/** What the checksum covers of the snapshot besides sections. */
type Own = Pick<ThreadSnapshot, 'thread' | 'program' | 'cursorSeq' | 'outN' | 'chainHash' | 'clock' | 'random'>;

function checksum(own: Own, sections: readonly Section[]): number {
  let sum = crc32(JSON.stringify([own.thread, own.program, own.cursorSeq, own.outN, own.chainHash, own.clock.recordMs, own.clock.polls]));
  sum = crc32(own.random, sum);
  for (const section of sections) if (section.name !== 'checksum') sum = crc32(section.bytes, crc32(section.name, sum));
  return sum;
}

export function encodeSections(state: ThreadState, memorySection: Uint8Array, fitting: Fitting, own: Own): Section[] {
  const globals = new FieldWriter();
  for (const value of state.held.globals) globals.u64(value);
  const tables = new FieldWriter();
  for (const table of state.held.tables) {
    tables.u32(table.length);
    for (const entry of table) tables.u32(entry + 1);
  }
  const program = new FieldWriter().u32(MIGRATABLE_VERSION).u8(state.exited ? 1 : 0).raw(fitting.migratableDigest);
  const sections: Section[] = [
    { name: 'program', bytes: program.done() }, { name: 'memory', bytes: memorySection }, { name: 'stack', bytes: state.stack },
    { name: 'globals', bytes: globals.done() }, { name: 'tables', bytes: tables.done() }, { name: 'wasi', bytes: state.held.wasi },
  ];
  return [...sections, { name: 'checksum', bytes: new FieldWriter().u32(checksum(own, sections)).done() }];
}

const damaged = (what: string, field: string): Refusal => refuse('snapshot-damaged', `snapshot: section ${field}: ${what}`, `sections.${field}`);

function readGlobals(bytes: Uint8Array, description: ModuleDescription): bigint[] {
  const read = new FieldReader(bytes);
  const globals = description.globals.flatMap((type) => (type === 'v' ? [read.u64(), read.u64()] : [read.u64()]));
  read.done();
  return globals;
}

function readTables(bytes: Uint8Array, description: ModuleDescription): number[][] {
  const read = new FieldReader(bytes);
  const known = new Set(description.tableFunctions);
  const tables = description.tables.map(({ maximum, functions }) => {
    const length = read.u32();
    if (length > maximum || length * 4 > read.left) throw new RangeError(`a table of ${length} entries, where ${maximum} are allowed`);
    return Array.from({ length }, () => {
      const entry = read.u32() - 1;
      if (entry >= 0 && !(functions && known.has(entry))) throw new RangeError(`function ${entry} can be in no table`);
      return entry;
    });
  });
  read.done();
  return tables;
}

function checkProgram(bytes: Uint8Array, fitting: Fitting): boolean {
  const read = new FieldReader(bytes);
  const version = read.u32();
  if (version !== MIGRATABLE_VERSION) throw new RangeError(`instrumentation version ${version} is not the one here (${MIGRATABLE_VERSION})`);
  const exited = read.u8();
  if (exited > 1) throw new RangeError('a flag is out of range');
  if (Buffer.compare(read.raw(32), fitting.migratableDigest) !== 0) throw new RangeError('it was taken from another instrumentation of the program');
  read.done();
  return exited === 1;
}

/** The memory's section of a live copy: the memory itself has come already, and has so many pages. */
export const stagedMemory = (pages: number): Uint8Array => new FieldWriter().u32(pages).done();

function readStaged(bytes: Uint8Array, stagedPages: number): MemoryImage {
  const read = new FieldReader(bytes);
  const pages = read.u32();
  read.done();
  if (pages !== stagedPages) throw new RangeError(`it is of ${pages} pages, and ${stagedPages} have come`);
  return { pages, used: [], bytes: new Uint8Array(0) };
}

/**
 * Checks everything; changes nothing.
 * @param stagedPages of a live copy: how large the memory is that stands here already
 */
export function decodeSections(snapshot: ThreadSnapshot, fitting: Fitting, stagedPages?: number): StateImage | Refusal {
  const names = snapshot.sections.map((s) => s.name);
  if (names.length !== NAMES.length || !NAMES.every((name, i) => names[i] === name)) return damaged(`expected ${NAMES.join(', ')}, found ${names.join(', ')}`, 'program');
  const bytes = Object.fromEntries(snapshot.sections.map((s) => [s.name, s.bytes])) as Record<(typeof NAMES)[number], Uint8Array>;
  let reading: (typeof NAMES)[number] = 'program';
  try {
    const exited = checkProgram(bytes.program, fitting);
    reading = 'checksum';
    const sum = new FieldReader(bytes.checksum);
    const expected = sum.u32();
    sum.done();
    if (expected !== checksum(snapshot, snapshot.sections)) throw new RangeError('the content was altered');
    reading = 'memory';
    const memory = stagedPages === undefined ? decodeMemory(bytes.memory) : readStaged(bytes.memory, stagedPages);
    const { initialPages, maximumPages } = fitting.description;
    if (memory.pages < initialPages || memory.pages > maximumPages) throw new RangeError(`${memory.pages * WASM_PAGE_BYTES} bytes of memory, where ${maximumPages * WASM_PAGE_BYTES} are allowed`);
    reading = 'stack';
    if (bytes.stack.length > fitting.stackBytes || (bytes.stack.length === 0) !== exited) throw new RangeError(`${bytes.stack.length} bytes of stack, where ${fitting.stackBytes} are allowed`);
    reading = 'globals';
    const globals = readGlobals(bytes.globals, fitting.description);
    reading = 'tables';
    const tables = readTables(bytes.tables, fitting.description);
    reading = 'wasi';
    const own = { cursorSeq: snapshot.cursorSeq, recordMs: snapshot.clock.recordMs, clockAsks: snapshot.clock.polls, random: snapshot.random };
    decodeWasi(bytes.wasi, own);
    return { exited, memory, stack: bytes.stack, held: { globals, tables, wasi: bytes.wasi, ...own } };
  } catch (error) {
    if (error instanceof RangeError) return damaged(error.message, reading);
    throw error;
  }
}

/** The captured stack, as it stands in the stack's memory. */
export function capturedStack(memory: Uint8Array): Uint8Array {
  const top = new DataView(memory.buffer, memory.byteOffset).getUint32(0, true);
  return memory.slice(STACK_BASE, top);
}
export function putStack(memory: Uint8Array, stack: Uint8Array, stackBytes: number): void {
  const view = new DataView(memory.buffer, memory.byteOffset);
  view.setUint32(0, STACK_BASE + stack.length, true);
  view.setUint32(4, STACK_BASE + stackBytes, true);
  memory.set(stack, STACK_BASE);
}
