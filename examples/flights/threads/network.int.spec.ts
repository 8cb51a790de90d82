/** The C program as it is: compiled, instrumented, and moved in the middle of its searches. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { isRefusal, threadId } from '@godwit/kernel';
import type { InputRecord, RuntimeEvents, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { decodeSnapshot, encodeSnapshot, type ThreadOutput } from '@godwit/snapshot';
import { ensureMigratable, wasmRuntime } from '@godwit/wasm';
import { shapeDay } from '../src/day.js';
import { buildPrograms, readFlights } from '../src/programs.js';
import { runUnmoved, sha256 } from '../src/unmoved-run.js';
import { normalise } from './intake.js';

const LIMITS = { memoryBytes: 4 * 1024 * 1024, stackBytes: 64 * 1024, tableEntries: 64, safepointMs: 1_000 };
const UTF8 = { encode: (text: string) => new TextEncoder().encode(text), decode: (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
const WAIT_MS = 20_000;
let program: ThreadProgram;
let records: InputRecord[];

beforeAll(async () => {
  const { network: bytes } = await buildPrograms();
  const migratable = await ensureMigratable(bytes, LIMITS);
  if (isRefusal(migratable)) throw new Error(migratable.reason);
  program = { thread: threadId('network'), runtime: 'wasm', bytes, sha256: sha256(bytes), migratable, args: ['network', '6'], env: {}, seed: 1, limits: LIMITS };
  let id = 0;
  const { slots } = shapeDay(await readFlights(), { lengthMs: 75_000, slotMs: 100 });
  const texts = slots.slice(0, 180).map(({ csv }) => csv.trim().split('\n').map((row) => `${normalise(row, ++id)}\n`).join(''));
  const record = (text: string | undefined, i: number): InputRecord => ({
    seq: i + 1, atMs: 1e12 + i, from: 'in', originMs: 1e12 + i, messages: text === undefined ? [] : [{ kind: '', payload: new TextEncoder().encode(text) }], end: text === undefined,
  });
  records = [...texts.map(record), record(undefined, texts.length)];
}, 120_000);

const linesOf = (outputs: readonly ThreadOutput[]): string[] =>
  outputs.flatMap(({ messages }) => messages.map(({ payload }) => new TextDecoder().decode(payload))).join('').split('\n').filter((line) => line !== '');

/** One stay on one device; the events of all stays go to the same lists. */
class Journey implements RuntimeEvents {
  readonly outputs: ThreadOutput[] = [];
  consumed = 0;
  exitCode: number | undefined;
  fault: string | undefined;
  private wake: (() => void) | undefined;
  onOutput(output: ThreadOutput): void { this.outputs.push(output); this.wake?.(); }
  onConsumed(seq: number): void { this.consumed = seq; this.wake?.(); }
  onExit(code: number): void { this.exitCode = code; this.wake?.(); }
  onFault({ reason }: { readonly reason: string }): void { this.fault = reason; this.wake?.(); }

  async until(what: string, holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.fault) throw new Error(this.fault);
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`not within ${WAIT_MS} ms: ${what}`)), WAIT_MS);
        this.wake = () => { clearTimeout(timer); resolve(); };
      });
    }
  }
}

async function prepared(journey: Journey): Promise<ThreadInstance> {
  const instance = await wasmRuntime().prepare(program, journey, sha256);
  if (isRefusal(instance)) throw new Error(instance.reason);
  return instance;
}

describe('network', () => {
  it('answers each flight once, and finds more connections as the day goes on', async () => {
    const { made, exitCode } = await runUnmoved(wasmRuntime(), program, records);
    const lines = linesOf(made);
    expect(exitCode).toBe(0);
    expect(lines.map((line) => Number(line.split(',')[0]))).toEqual(Array.from({ length: lines.length }, (_, i) => i + 1));
    const connections = lines.map((line) => Number(line.split(',')[5]));
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(connections.slice(-200))).toBeGreaterThan(4 * mean(connections.slice(200, 400)));
    expect(lines.every((line) => /^\d+,[A-Z]{3},[A-Z]{3},-?\d+,\d+,\d+,\d+\.\d{4},\d+\.\d{4}$/.test(line))).toBe(true);
  }, 60_000);

  it('is moved in the middle of its searches, again and again, and writes the same, bit for bit', async () => {
    const unmoved = await runUnmoved(wasmRuntime(), program, records);
    const journey = new Journey();
    let instance = await prepared(journey);
    await instance.start();
    instance.feed(records);
    let midway = 0;
    for (const at of [20, 60, 100, 140]) {
      await journey.until(`record ${at} consumed`, () => journey.consumed >= at);
      await instance.freeze();
      const snapshot = await instance.snapshot();
      if (isRefusal(snapshot)) throw new Error(snapshot.reason);
      // More has been consumed than answered: the stop came inside a search.
      if (journey.outputs.length < snapshot.cursorSeq) midway++;
      await instance.stop();
      const carried = decodeSnapshot(Buffer.concat(encodeSnapshot(snapshot, UTF8)), UTF8);
      if (isRefusal(carried)) throw new Error(carried.reason);
      instance = await prepared(journey);
      await instance.restore(carried);
      instance.resume();
      instance.feed(records.filter(({ seq }) => seq > snapshot.cursorSeq));
    }
    await journey.until('the end', () => journey.exitCode !== undefined);
    await instance.stop();
    expect(midway).toBeGreaterThan(0);
    expect(journey.outputs.map(({ hash }) => hash)).toEqual(unmoved.made.map(({ hash }) => hash));
  }, 120_000);

  it('goes on after a line that is no flight, and ends with 2 on a wrong argument', async () => {
    const text = (lines: string): InputRecord => ({ ...records[0]!, messages: [{ kind: '', payload: new TextEncoder().encode(lines) }] });
    const end = { ...records.at(-1)!, seq: 2 };
    const { made } = await runUnmoved(wasmRuntime(), program, [text('not a flight\n1,10,5,300,SFO,LAX\n2,1440,5,300,SFO,LAX\n'), end]);
    expect(linesOf(made)).toEqual(['1,SFO,LAX,5,1,0,0.0000,0.0000']);
    expect((await runUnmoved(wasmRuntime(), { ...program, args: ['network', '-1'] }, [end])).exitCode).toBe(2);
  }, 60_000);
});
