/** For the specs: runners in this process, driven as an agent drives them, and the programs that they execute. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BulkDoor, knock } from '@godwit/bulk';
import { isRefusal, type MigrationId, type Refusal, type ThreadId } from '@godwit/kernel';
import type { EncodedCheckpoint, FromRunner, InputRecord, RunnerRequestName, RunnerRequests, ShadowProgress, ThreadProgram, ToRunner } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import { sha256 } from '@godwit/shell/platform';
import { TaskRuntime } from '@godwit/task';
import { ensureMigratable, wasmRuntime } from '@godwit/wasm';
import { Runner } from './runner.js';

export const granted = <T>(value: T | Refusal): T => {
  if (isRefusal(value)) throw new Error(`${value.code}: ${value.reason}`);
  return value;
};

/** Of an output: enough to tell whether two are the same, and nothing that would fill the memory of a long run. */
export type SeenOutput = Pick<ThreadOutput, 'n' | 'hash' | 'causedBySeq' | 'originMs'>;
/** Programs that print without pause must not drown whoever listens to several of them. */
const CALM_DUTY = 0.1;

export class DrivenRunner {
  readonly outputs: SeenOutput[] = [];
  shadow: ShadowProgress | undefined;
  private readonly waiting = new Map<number, (value: unknown) => void>();
  private readonly watchers = new Set<() => void>();
  private nextId = 1;
  private readonly runner: Runner;

  constructor(readonly program: ThreadProgram) {
    this.runner = new Runner([wasmRuntime(), new TaskRuntime()], (message) => this.hear(message));
  }
  static async prepared(program: ThreadProgram): Promise<DrivenRunner> {
    const runner = new DrivenRunner(program);
    granted(await runner.ask('prepare', { program }));
    runner.runner.accept({ type: 'duty', ratio: CALM_DUTY }, undefined);
    return runner;
  }

  private hear(message: FromRunner): void {
    if (message.type === 'reply') this.waiting.get(message.id)?.(message.value);
    else if (message.type === 'refused') this.waiting.get(message.id)?.(message.refusal);
    else if (message.type === 'output') this.outputs.push({ n: message.output.n, hash: message.output.hash, causedBySeq: message.output.causedBySeq, originMs: message.output.originMs });
    else if (message.type === 'shadow') this.shadow = message.progress;
    else if (message.type === 'fault') throw new Error(message.refusal.reason);
    for (const watcher of this.watchers) watcher();
  }

  ask<Name extends RunnerRequestName>(name: Name, request: RunnerRequests[Name]['request'], socket?: Socket): Promise<RunnerRequests[Name]['reply'] | Refusal> {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve as (value: unknown) => void);
      this.runner.accept({ type: 'request', id, name, ...request } as ToRunner, socket);
    });
  }
  feed(records: readonly InputRecord[]): void {
    this.runner.accept({ type: 'feed', records }, undefined);
  }

  /** Until what the runner tells makes `seen` true. @throws Error that names what was waited for */
  async until(what: string, seen: () => boolean, limitMs = 30_000): Promise<void> {
    if (seen()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs);
      const watcher = (): void => {
        if (!seen()) return;
        clearTimeout(timer);
        this.watchers.delete(watcher);
        resolve();
      };
      this.watchers.add(watcher);
    });
  }
  get outN(): number {
    return this.outputs.at(-1)?.n ?? 0;
  }

  /** A checkpoint as a host takes it; the thread goes on. */
  async checkpoint(k: number, parent: number): Promise<EncodedCheckpoint & { readonly outN: number; readonly bytesOf: Uint8Array }> {
    granted(await this.ask('checkpoint-begin', {}));
    granted(await this.ask('freeze', {}));
    const mark = granted(await this.ask('capture', { pendingOutputs: [] }));
    granted(await this.ask('resume', {}));
    const encoded = granted(await this.ask('encode', { k, parent }));
    return { ...encoded, outN: mark.outN, bytesOf: Buffer.concat(encoded.parts) };
  }

  /** Feeds `shadow` from now on, through a door with a key. */
  async feedTo(shadow: DrivenRunner, durable: { readonly k: number; readonly epoch: number }): Promise<Socket> {
    const door = await BulkDoor.open('127.0.0.1');
    const [id, key] = ['s-spec' as MigrationId, randomBytes(32)];
    const arrived = new Promise<Socket>((resolve) => door.expect(id, key, resolve));
    const link = await knock({ host: '127.0.0.1', port: door.port }, id, key, 5_000);
    granted(await shadow.ask('shadow-follow', { maxBytes: 256 * 1024 * 1024, silenceMs: 60_000 }, await arrived));
    granted(await this.ask('shadow-feed', durable, link));
    door.close();
    return link;
  }

  async end(): Promise<void> {
    await this.ask('stop', {});
  }
}

const LIMITS = { memoryBytes: 32 * 1024 * 1024, stackBytes: 1024 * 1024, tableEntries: 1_000, safepointMs: 5_000 };

/** Compiles a C program of libs/testing/programs. */
export async function cProgram(name: string, args: readonly string[] = [name]): Promise<ThreadProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-c-'));
  try {
    const out = join(folder, `${name}.wasm`);
    const source = fileURLToPath(new URL(`../../../libs/testing/programs/${name}.c`, import.meta.url));
    const script = fileURLToPath(new URL('../../../libs/adapters/wasm/scripts/compile-c.mjs', import.meta.url));
    const compiled = spawnSync(process.execPath, [script, out, source], { stdio: ['ignore', 'ignore', 'pipe'] });
    if (compiled.status !== 0) throw new Error(`${name}.c does not compile: ${compiled.stderr.toString()}`);
    const bytes = readFileSync(out);
    return { thread: 'thread-1' as ThreadId, runtime: 'wasm', bytes, sha256: sha256(bytes), migratable: granted(await ensureMigratable(bytes, LIMITS)), args, env: {}, seed: 7, limits: LIMITS };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A task whose state grows and shrinks with what it is given. */
export function listProgram(): ThreadProgram {
  const bytes = Buffer.from(`import { defineThread, jsonCodec } from '@godwit/sdk';
    export default defineThread({ name: 'list', version: '1', deterministic: true, initial: () => ({ n: 0, words: [] }), codec: jsonCodec(),
      onMessage(ctx, message, state) { state.n++; state.words = message.json().words; ctx.emit('n', { n: state.n, words: state.words.length }); return state; } });`);
  return { thread: 'thread-1' as ThreadId, runtime: 'task', bytes, sha256: sha256(bytes), args: [], env: {}, seed: 7, limits: LIMITS };
}
export const listInput = (seq: number, words: readonly string[]): InputRecord =>
  ({ seq, atMs: seq, from: 'in', originMs: seq, messages: [{ kind: 'json', payload: Buffer.from(JSON.stringify({ words })) }], end: false });
