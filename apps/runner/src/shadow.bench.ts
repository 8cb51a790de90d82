/**
 * What a checkpoint costs, and what a shadow is fed with: `npm run bench -- shadow`. One C program of 16 MiB that writes
 * words at random places, in a runner process of this machine; checkpoints at two intervals. Bytes of a delta beside the
 * pages that changed and the whole image, also packed by lz4 (level 1, lz4-napi); the time of the freeze as the program
 * itself sees it on the host's clock, beside the same state taken and handed over inside the freeze, as checkpoints were
 * before. (A freeze that falls into the program's own printing is not seen by it, which is common on a busy machine: hence
 * also the time from the order to stop to the order to go on.) Left out: Redis and the journal (they wait for no freeze), and another machine's network.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BulkDoor, knock } from '@godwit/bulk';
import { isRefusal, type MigrationId, type Refusal, type Sha256, type ThreadId } from '@godwit/kernel';
import { defaultRunnerEntry, RunnerProcess } from '@godwit/runner-host';
import type { EncodedCheckpoint, ShadowProgress, ThreadProgram } from '@godwit/runtime';
import { ensureMigratable } from '@godwit/wasm';
import { compressFrameSync } from 'lz4-napi';

const MIB = 1024 * 1024;
const IMAGE_BYTES = 16 * MIB;
/** Words written at random places each millisecond. */
const WORDS_PER_MS = 4;
const INTERVALS_MS = [200, 1_000];
const ROUNDS = 15;
const TIMEOUT_MS = 120_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const kib = (bytes: number): string => `${(bytes / 1024).toFixed(bytes < 10 * 1024 ? 1 : 0)} KiB`;
const granted = <T>(value: T | Refusal): T => {
  if (isRefusal(value)) throw new Error(`${value.code}: ${value.reason}`);
  return value;
};
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Round {
  readonly encoded: EncodedCheckpoint;
  /** Of the freeze, as the agent sees it. */
  readonly beginNs: bigint;
  readonly endNs: bigint;
}
/** The program may be given its processor back a little later. */
const NOTICED_NS = 100_000_000n;
/** Lines about gaps come through the runner, behind what it does then. */
const LINES_MS = 1_500;

class Measured {
  /** Gaps that the program saw, by when they ended on the host's clock. */
  private readonly gaps: { readonly ms: number; readonly atNs: bigint }[] = [];
  onShadow: (progress: ShadowProgress) => void = () => undefined;
  readonly runner: RunnerProcess;

  private constructor(runner: RunnerProcess) {
    this.runner = runner;
  }

  static async prepared(program: ThreadProgram): Promise<Measured> {
    const measured = new Measured(RunnerProcess.start(defaultRunnerEntry(), { GODWIT_HOST_CLOCK: 'bench' }));
    await measured.runner.ready;
    measured.runner.listen({
      onOutput: ({ messages }) => {
        for (const { payload } of messages) for (const found of Buffer.from(payload).toString().matchAll(/^gap (\d+) at (\d+)/gm)) measured.gaps.push({ ms: Number(found[1]) / 1e6, atNs: BigInt(found[2]!) });
      },
      onShadow: (progress) => measured.onShadow(progress),
      onConsumed() {}, onSample() {}, onExit() {},
      onFault: (refusal) => { throw new Error(refusal.reason); },
      onDied: (reason) => { throw new Error(reason); },
    });
    granted(await measured.runner.request('prepare', { program }, { timeoutMs: TIMEOUT_MS }));
    return measured;
  }

  /** @param whole all of it inside the freeze, handed over before the thread goes on */
  async checkpoint(k: number, parent: number, whole = false): Promise<Round> {
    const { runner } = this;
    granted(await runner.request('checkpoint-begin', {}, { timeoutMs: TIMEOUT_MS }));
    const beginNs = process.hrtime.bigint();
    granted(await runner.request('freeze', {}, { timeoutMs: TIMEOUT_MS }));
    granted(await runner.request('capture', { pendingOutputs: [] }, { timeoutMs: TIMEOUT_MS }));
    const early = whole ? granted(await runner.request('encode', { k, parent: 0 }, { timeoutMs: TIMEOUT_MS })) : undefined;
    granted(await runner.request('resume', {}, { timeoutMs: TIMEOUT_MS }));
    const endNs = process.hrtime.bigint();
    const encoded = early ?? granted(await runner.request('encode', { k, parent }, { timeoutMs: TIMEOUT_MS }));
    return { encoded, beginNs, endNs };
  }

  /** The longest gap of the program that ended in that round; 0 when it was too short to be told. */
  gapMs({ beginNs, endNs }: Round): number {
    return Math.max(0, ...this.gaps.filter(({ atNs }) => atNs >= beginNs && atNs <= endNs + NOTICED_NS).map(({ ms }) => ms));
  }
}

async function feed(source: Measured, shadow: Measured, k: number): Promise<void> {
  const door = await BulkDoor.open('127.0.0.1');
  const [id, key] = ['s-bench' as MigrationId, randomBytes(32)];
  const arrived = new Promise<Socket>((resolve) => door.expect(id, key, resolve));
  const link = await knock({ host: '127.0.0.1', port: door.port }, id, key, 5_000);
  granted(await shadow.runner.request('shadow-follow', { maxBytes: 64 * MIB, silenceMs: TIMEOUT_MS }, { timeoutMs: TIMEOUT_MS, socket: await arrived }));
  granted(await source.runner.request('shadow-feed', { k, epoch: 1 }, { timeoutMs: TIMEOUT_MS, socket: link }));
  door.close();
}

function freezes(thread: Measured, rounds: readonly Round[]): string {
  const [seen, ordered] = [rounds.map((round) => thread.gapMs(round)), rounds.map(({ beginNs, endNs }) => Number(endNs - beginNs) / 1e6)];
  return `${median(seen).toFixed(2)} ms as the program sees it (${Math.min(...seen).toFixed(2)} to ${Math.max(...seen).toFixed(2)}), ${median(ordered).toFixed(2)} ms from the order to stop to the order to go on`;
}

async function measure(program: ThreadProgram): Promise<void> {
  const [source, shadow] = [await Measured.prepared(program), await Measured.prepared(program)];
  let k = 0;
  try {
    granted(await source.runner.request('start', {}, { timeoutMs: TIMEOUT_MS }));
    await pause(2_000); // it fills its memory
    const base = (await source.checkpoint(++k, 0)).encoded;
    const whole = Buffer.concat(base.parts);
    const beginMs = performance.now();
    const packed = compressFrameSync(whole);
    say(`base of a ${IMAGE_BYTES / MIB} MiB thread: ${kib(base.bytes)}; lz4 level 1 of it ${kib(packed.length)} in ${(performance.now() - beginMs).toFixed(0)} ms`);
    for (const intervalMs of INTERVALS_MS) {
      const rounds: Round[] = [];
      for (let i = 0; i < ROUNDS; i++) {
        await pause(intervalMs);
        rounds.push(await source.checkpoint(k + 1, k));
        k++;
      }
      await pause(LINES_MS);
      const [delta, pages] = [median(rounds.map(({ encoded }) => encoded.bytes)), median(rounds.map(({ encoded }) => encoded.dirtyBytes ?? 0))];
      const packedDelta = compressFrameSync(Buffer.concat(rounds.at(-1)!.encoded.parts)).length;
      say(`every ${intervalMs} ms: delta ${kib(delta)} (lz4 of one ${kib(packedDelta)}); pages that changed ${kib(pages)}: × ${(delta / pages).toFixed(3)}; all of it: × ${(delta / base.bytes).toFixed(4)}; lz4 of all of it: × ${(delta / packed.length).toFixed(4)}`);
      say(`  freeze: ${freezes(source, rounds)}`);
    }
    const wholes: Round[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      await pause(200);
      wholes.push(await source.checkpoint(++k, 0, true));
    }
    await pause(LINES_MS);
    say(`all of it inside the freeze, as before: ${freezes(source, wholes)}`);
    await fedShadow(source, shadow, k);
  } finally {
    source.runner.end();
    shadow.runner.end();
  }
}

/** From "durable" until the shadow holds it, and from "promote" until it is ready to go on. */
async function fedShadow(source: Measured, shadow: Measured, fromK: number): Promise<void> {
  let k = fromK;
  let held: ShadowProgress | undefined;
  let wake: () => void = () => undefined;
  shadow.onShadow = (progress) => {
    held = progress;
    wake();
  };
  const reaches = async (at: number): Promise<void> => { while (held?.k !== at) await new Promise<void>((resolve) => (wake = resolve)); };
  const beginMs = performance.now();
  await feed(source, shadow, k);
  await reaches(k);
  const wholeMs = performance.now() - beginMs;
  const fedMs: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    await pause(200);
    await source.checkpoint(k + 1, k);
    k++;
    const saidMs = performance.now();
    granted(await source.runner.request('shadow-durable', { k, epoch: 1 }, { timeoutMs: TIMEOUT_MS }));
    await reaches(k);
    fedMs.push(performance.now() - saidMs);
  }
  source.runner.suspend();
  const lostMs = performance.now();
  granted(await shadow.runner.request('shadow-promote', { k, digest: held!.digest as Sha256 }, { timeoutMs: TIMEOUT_MS }));
  granted(await shadow.runner.request('resume', {}, { timeoutMs: TIMEOUT_MS }));
  say(`shadow: all of it after ${wholeMs.toFixed(0)} ms, each delta ${median(fedMs).toFixed(2)} ms after it was durable (digest compared); promoted in ${(performance.now() - lostMs).toFixed(2)} ms`);
}

const folder = mkdtempSync(join(tmpdir(), 'godwit-shadow-'));
try {
  const wasm = join(folder, 'moving.wasm');
  const script = fileURLToPath(new URL('../../../libs/adapters/wasm/scripts/compile-c.mjs', import.meta.url));
  if (spawnSync(process.execPath, [script, wasm, fileURLToPath(new URL('../../../libs/testing/programs/moving.c', import.meta.url))], { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0) throw new Error('moving.c does not compile');
  const bytes = readFileSync(wasm);
  const limits = { memoryBytes: IMAGE_BYTES + 16 * MIB, stackBytes: MIB, tableEntries: 1_000, safepointMs: 5_000 };
  await measure({
    thread: 'thread-1' as ThreadId, runtime: 'wasm', bytes, sha256: createHash('sha256').update(bytes).digest('hex') as Sha256, migratable: granted(await ensureMigratable(bytes, limits)),
    args: ['moving', String(IMAGE_BYTES), String(WORDS_PER_MS)], env: {}, seed: 7, limits,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
