/** Messages between the main thread and the worker in which a program runs. */
import type { MessagePort } from 'node:worker_threads';
import type { InputRecord } from '@godwit/runtime';
import type { ModuleDescription } from './abi.js';

export interface WorkerSetup {
  readonly module: WebAssembly.Module;
  readonly description: ModuleDescription;
  readonly memories: Readonly<Record<'memory' | 'control' | 'stack', WebAssembly.Memory> & { cards?: WebAssembly.Memory }>;
  /** Records come here; read without an event loop. */
  readonly records: MessagePort;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly stackBytes: number;
  /** Benches only: the program may look at the host's clock. */
  readonly hostClock: boolean;
}

/** What the worker alone can read or write of a program's state; memory and stack are shared. */
export interface HeldState {
  /** Each as its bit pattern; a vector as two. */
  readonly globals: readonly bigint[];
  /** Per changeable table: original function indexes, -1 for null. */
  readonly tables: readonly (readonly number[])[];
  readonly wasi: Uint8Array;
  readonly cursorSeq: number;
  readonly recordMs: number;
  readonly clockAsks: number;
  readonly random: Uint8Array;
}

export type ToWorker =
  | { readonly do: 'start' }
  | { readonly do: 'resume' }
  /** Only reaches a worker that does not run: one that does sees the attention word. */
  | { readonly do: 'freeze' }
  | { readonly do: 'grow'; readonly pages: number }
  | { readonly do: 'load'; readonly state: HeldState };

export type FromWorker =
  | { readonly is: 'ready' }
  | { readonly is: 'output'; readonly causedBySeq: number; readonly originMs: number; readonly bytes: Uint8Array; readonly exitCode: number | undefined }
  | { readonly is: 'consumed'; readonly seq: number }
  | { readonly is: 'frozen'; readonly state: HeldState; readonly pages: number; readonly exited: boolean }
  | { readonly is: 'exited'; readonly code: number; readonly state: HeldState; readonly pages: number }
  | { readonly is: 'grown' }
  | { readonly is: 'loaded' }
  | { readonly is: 'fault'; readonly code: 'thread-fault' | 'limit-exceeded' | 'internal'; readonly reason: string };

export type RecordBatch = readonly InputRecord[];
