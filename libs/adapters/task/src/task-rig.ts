/** For specs: a task thread with everything it did written down, and waits that have names and ends. */
import { createHash } from 'node:crypto';
import { isRefusal, threadId, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import type { InputRecord, ThreadInstance, ThreadLimits, ThreadProgram } from '@godwit/runtime';
import { decodeSnapshot, encodeSnapshot, type ThreadOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { TaskRuntime } from './task-runtime.js';

const encoder = new TextEncoder();
const UTF8 = { encode: (text: string) => encoder.encode(text), decode: (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true }).decode(bytes) };

export const sha256: Sha256Of = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};

export function programOf(source: string, limits: Partial<ThreadLimits> = {}): ThreadProgram {
  const bytes = encoder.encode(source);
  return {
    thread: threadId('t-1'), runtime: 'task', bytes, sha256: sha256(bytes), args: ['one', 'two'], env: { COLOUR: 'red' }, seed: 7,
    limits: { memoryBytes: 1 << 20, stackBytes: 1 << 16, tableEntries: 0, safepointMs: 200, ...limits },
  };
}

export const message = (kind: string, content: unknown): { kind: string; payload: Uint8Array } => ({ kind, payload: encoder.encode(JSON.stringify(content)) });

export function recordOf(seq: number, content: Partial<InputRecord> = {}): InputRecord {
  return { seq, atMs: 1_700_000_000_000 + seq * 10, from: 'in', originMs: 1_700_000_000_000 + seq * 10 - 3, messages: [], end: false, ...content };
}

const LONGEST_WAIT_MS = 15_000;

/** One instance and what it reported. */
export class Rig {
  readonly outputs: ThreadOutput[] = [];
  readonly consumed: number[] = [];
  readonly faults: Refusal[] = [];
  readonly exits: number[] = [];
  readonly logs: string[] = [];
  private readonly waiting = new Set<() => void>();
  private prepared: ThreadInstance | undefined;

  static async prepare(program: ThreadProgram): Promise<Rig | Refusal> {
    const rig = new Rig();
    const note = <T>(list: T[]) => (item: T): void => {
      list.push(item);
      for (const look of rig.waiting) look();
    };
    const runtime = new TaskRuntime({ onLog: ({ text }) => note(rig.logs)(text) });
    const events = { onOutput: note(rig.outputs), onConsumed: note(rig.consumed), onFault: note(rig.faults), onExit: note(rig.exits) };
    const prepared = await runtime.prepare(program, events, sha256);
    if (isRefusal(prepared)) return prepared;
    rig.prepared = prepared;
    return rig;
  }

  /** Prepared and, unless `staged`, started. @throws Error with the reason when that is refused. */
  static async of(program: ThreadProgram, life: 'started' | 'staged' = 'started'): Promise<Rig> {
    const rig = await Rig.prepare(program);
    if (isRefusal(rig)) throw new Error(rig.reason);
    const refused = life === 'started' ? await rig.thread.start() : undefined;
    if (refused) throw new Error(refused.reason);
    return rig;
  }

  get thread(): ThreadInstance {
    if (!this.prepared) throw new Error('not prepared');
    return this.prepared;
  }

  /** Resolves when `holds`, looked at after each report. */
  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`not within ${LONGEST_WAIT_MS} ms: ${what}; faults: ${this.faults.map((f) => f.reason).join() || 'none'}`));
      }, LONGEST_WAIT_MS);
      this.waiting.add(look);
      look();
    });
  }

  untilConsumed(seq: number): Promise<void> {
    return this.until(`record ${seq} consumed`, () => this.consumed.includes(seq));
  }

  /** The outputs' messages as texts. */
  texts(): string[] {
    return this.outputs.flatMap((output) => output.messages.map((m) => `${m.kind} ${UTF8.decode(m.payload)}`));
  }

  async freeze(): Promise<void> {
    const refused = await this.thread.freeze();
    if (refused) throw new Error(refused.reason);
  }

  /** Freezes and takes the snapshot, through its bytes. */
  async take(): Promise<ThreadSnapshot> {
    await this.freeze();
    const snapshot = await this.thread.snapshot();
    if (isRefusal(snapshot)) throw new Error(snapshot.reason);
    const decoded = decodeSnapshot(new Uint8Array(Buffer.concat(encodeSnapshot(snapshot, UTF8))), UTF8);
    if (isRefusal(decoded)) throw new Error(decoded.reason);
    return decoded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.prepared?.stop();
  }
}
