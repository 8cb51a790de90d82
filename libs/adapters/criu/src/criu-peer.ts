/**
 * CRIU by itself, for benches that put it beside our own moves: one native process in a cell, dumped and restored there
 * and nothing else. No pipes are emptied, no images are read, judged, sent or digested.
 */
import { closeSync, constants, cpSync, openSync } from 'node:fs';
import type { ThreadId } from '@godwit/kernel';
import { Cell } from './cell.js';
import { PIPE_NAMES, pipePath } from './pipes.js';
import { cellOptions, type ProcessRuntimeOptions } from './process-runtime.js';

export interface PeerMove {
  /** From the first SIGSTOP to the end of `criu dump`. */
  readonly dumpMs: number;
  /** `criu restore` until every process is there, stopped. */
  readonly restoreMs: number;
  /** From the first SIGSTOP to SIGCONT on the other side; the images stay on this machine, copied once. */
  readonly freezeMs: number;
}

export interface CriuPeer extends AsyncDisposable {
  /** Folder of the process's stdin, stdout and stderr as named pipes, `in`, `out` and `err`; another one after each move. */
  readonly pipes: string;
  /** Moves the process into a new cell, and lets it go on there. @throws OperationError with CRIU's first complaints. */
  move(): Promise<PeerMove>;
}

/** A cell and its pipes, both ends of each held open, so that nobody waits for the other side to come. */
class PeerCell {
  private constructor(readonly cell: Cell, private readonly ends: readonly number[]) {}

  static async open(options: ProcessRuntimeOptions): Promise<PeerCell> {
    const cell = await Cell.open(cellOptions(options, 'criu-peer' as ThreadId));
    return new PeerCell(cell, PIPE_NAMES.map((name) => openSync(pipePath(cell.pipes, name), constants.O_RDWR | constants.O_NONBLOCK)));
  }

  async close(): Promise<void> {
    this.ends.forEach((fd) => closeSync(fd));
    await this.cell.close();
  }
}

/** Starts `program`: an absolute path that everybody may run. @throws OperationError when it cannot be started. */
export async function criuFor(options: ProcessRuntimeOptions, program: { readonly path: string; readonly args: readonly string[] }): Promise<CriuPeer> {
  let current = await PeerCell.open(options);
  try {
    await current.cell.launch({ ...program, environment: {} });
  } catch (error) {
    await current.close();
    throw error;
  }
  return {
    get pipes() {
      return current.cell.pipes;
    },
    async move() {
      const target = await PeerCell.open(options);
      try {
        const timings = await moveBetween(current.cell, target.cell);
        await current.close();
        current = target;
        return timings;
      } catch (error) {
        await target.close();
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      await current.close();
    },
  };
}

async function moveBetween(source: Cell, target: Cell): Promise<PeerMove> {
  const stoppedMs = performance.now();
  await source.stop();
  await source.dump();
  const dumpedMs = performance.now();
  cpSync(source.images, target.images, { recursive: true });
  const copiedMs = performance.now();
  await target.restore();
  const restoredMs = performance.now();
  target.continue();
  const runningMs = performance.now();
  return { dumpMs: dumpedMs - stoppedMs, restoreMs: restoredMs - copiedMs, freezeMs: runningMs - stoppedMs };
}
