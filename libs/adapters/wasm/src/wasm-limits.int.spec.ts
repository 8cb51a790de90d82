import { afterEach, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import type { InputRecord, ThreadProgram } from '@godwit/runtime';
import { ContractRun, granted, sha256Of, within } from '@godwit/testing';
import { DESCRIPTION_SECTION, MIGRATABLE_VERSION, type ModuleDescription } from './abi.js';
import { withCustomSection } from './rewrite.js';
import { wasmRuntime } from './wasm-runtime.js';
import { compiled, inputs, programOf, RIG_LIMITS } from './wasm-rig.js';
import { wat } from './wat-rig.js';

/** Long, because the first run compiles and instruments its program, on a machine that may be busy. */
const TEST_TIMEOUT_MS = 240_000;

const runs: ContractRun[] = [];
async function started(program: ThreadProgram, records: readonly InputRecord[] = []): Promise<ContractRun> {
  const run = new ContractRun(wasmRuntime(), program, records);
  runs.push(run);
  await run.start();
  return run;
}
const misbehaving = async (how: string, more: Partial<ThreadProgram> = {}): Promise<ContractRun> =>
  started(await programOf(await compiled('misbehave', ['-fno-builtin', '-O1']), { args: ['misbehave', how], ...more }));
/** The program has not come to a safepoint for a while: it is held at one. */
async function untilStill(run: ContractRun): Promise<void> {
  let [polls, sinceMs] = [-1, performance.now()];
  while (performance.now() - sinceMs < 300) {
    const now = run.thread.sample().polls;
    if (now !== polls) [polls, sinceMs] = [now, performance.now()];
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const text = (run: ContractRun): string => run.outputs.flatMap((o) => o.messages.map((m) => Buffer.from(m.payload).toString())).join('');

afterEach(async () => {
  for (const run of runs.splice(0)) await run.stop();
});

describe('a program that never ends', () => {
  it.each(['loop', 'tight'])('is frozen, moved and frozen again inside a %s', async (how) => {
    const run = await misbehaving(how);
    for (let i = 0; i < 3; i++) {
      await run.move();
      run.thread.resume();
    }
    await run.freeze();
    expect(run.faults).toEqual([]);
  }, TEST_TIMEOUT_MS);

  it('uses no more than its share while it has one', async () => {
    const run = await misbehaving('loop');
    const held = async (seconds: number): Promise<void> => {
      while (run.thread.sample().heldSeconds < seconds) await new Promise((resolve) => setImmediate(resolve));
    };
    // Less than what a crowded machine leaves it anyway, or there is nothing to hold back.
    run.thread.setDuty(0.05);
    await within(held(0.1), 'a first hold');
    const [beginMs, before] = [performance.now(), run.thread.sample()];
    await within(held(before.heldSeconds + 1), 'a second of holding');
    const share = (run.thread.sample().cpuSeconds - before.cpuSeconds) / ((performance.now() - beginMs) / 1_000);
    expect(share).toBeLessThan(0.1);
    // A share so small means holds of ten seconds: a freeze does not wait for their end.
    run.thread.setDuty(0.001);
    await within(untilStill(run), 'a long hold');
    const freezeBeginMs = performance.now();
    await run.freeze();
    expect(performance.now() - freezeBeginMs).toBeLessThan(5_000);
  }, TEST_TIMEOUT_MS);

  it('shows in its trace where it spends its time', async () => {
    const run = await misbehaving('loop');
    const sampled = async (): Promise<void> => {
      while (!Object.keys(run.thread.sample().traces).some((site) => site.startsWith('loop:'))) await new Promise((resolve) => setImmediate(resolve));
    };
    await within(sampled(), 'a safepoint in the trace');
  }, TEST_TIMEOUT_MS);
});

describe('a program that fails', () => {
  it.each([
    ['trap', /unreachable.*about to fail/], ['divide', /divide by zero/], ['wild', /out of bounds/], ['endless-recursion', /out of bounds|nested too deep/],
  ])('by %s stands still with a fault, and harms nobody', async (how, reason) => {
    const run = await misbehaving(how);
    await run.untilEnd();
    expect(run.faults).toMatchObject([{ code: 'thread-fault', reason: expect.stringMatching(reason) as unknown }]);
    expect(isRefusal(await run.thread.freeze())).toBe(true);
  }, TEST_TIMEOUT_MS);
});

describe('limits', () => {
  it('end a thread whose captured stack is too large, with the limit’s name', async () => {
    const run = await misbehaving('deep', { limits: { ...RIG_LIMITS, stackBytes: 300 } });
    for (let i = 0; i < 50 && run.faults.length === 0; i++) {
      if (isRefusal(await within(run.thread.freeze(), 'the freeze'))) break;
      run.thread.resume();
    }
    expect(run.faults).toMatchObject([{ code: 'limit-exceeded', field: 'limits.stackBytes' }]);
  }, TEST_TIMEOUT_MS);

  it('let memory and allocations fail as they do on a machine without memory; system calls refuse pointers that lie', async () => {
    const run = await started(await programOf(await compiled('calls')));
    await run.untilEnd();
    expect(run.faults).toEqual([]);
    expect(text(run).split('\n')).toEqual([
      'write 21 21 28 read 21 8 random 21 21 args 21 time 21 28 poll 21 28', 'open -1 errno 1', 'seek -1', 'slept 3600 s', 'waited', 'grow -1', 'malloc 0', 'env hello', '',
    ]);
  }, TEST_TIMEOUT_MS);

  it('let a table grow up to its limit and no further', async () => {
    const run = await started(await programOf(wat(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (table $t 1 funcref)
      (func (export "_start")
        (if (i32.ne (table.grow $t (ref.null func) (i32.const 999)) (i32.const 1)) (then (call $exit (i32.const 1))))
        (if (i32.ne (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1)) (then (call $exit (i32.const 2))))
        (if (i32.ne (table.grow $t (ref.null func) (i32.const 90000000)) (i32.const -1)) (then (call $exit (i32.const 3))))
        (call $exit (i32.const 42))))`)));
    await run.untilEnd();
    expect([run.faults, run.exitCode]).toEqual([[], 42]);
  }, TEST_TIMEOUT_MS);

  it('end a program that runs on without a safepoint while a freeze waits', async () => {
    const description: ModuleDescription = { version: MIGRATABLE_VERSION, initialPages: 1, maximumPages: 1, stackPages: 17, cardPages: 0, globals: [], drops: [], tables: [], tableFunctions: [], sites: [] };
    const migratable = withCustomSection(wat(`(module
      (import "godwit" "memory" (memory 1 1 shared)) (import "godwit" "stack" (memory $s 17 17 shared))
      (tag $u (export "godwit.unwind")) (global (export "godwit.next") (mut i32) (i32.const 0)) (global (export "godwit.saved") (mut i32) (i32.const 0))
      (func (export "godwit.run") (loop $l (br $l))))`), DESCRIPTION_SECTION, new TextEncoder().encode(JSON.stringify(description)));
    const run = await started(await programOf(await compiled('echo'), { migratable, limits: { ...RIG_LIMITS, safepointMs: 100 } }));
    const answer = await within(run.thread.freeze(), 'the end of the program', 20_000);
    expect(answer).toMatchObject({ code: 'limit-exceeded', field: 'limits.safepointMs' });
    expect(run.faults).toHaveLength(1);
  }, TEST_TIMEOUT_MS);

  it('of the registration are kept by the instrumented module', async () => {
    const program = await programOf(await compiled('echo'));
    const answer = await wasmRuntime().prepare({ ...program, limits: { ...RIG_LIMITS, memoryBytes: 1024 * 1024 } }, { onOutput() {}, onConsumed() {}, onFault() {}, onExit() {} }, sha256Of);
    expect(answer).toMatchObject({ code: 'not-migratable', field: 'limits.memoryBytes' });
  }, TEST_TIMEOUT_MS);
});

describe('outputs', () => {
  it('are cut at each write before the first read, and at 64 KiB', async () => {
    const run = await misbehaving('talk');
    await run.untilEnd();
    expect(run.outputs.slice(0, 3).map((o) => Buffer.from(o.messages[0]!.payload).toString())).toEqual(['0', '1', '2']);
    expect(Math.max(...run.outputs.flatMap((o) => o.messages.map((m) => m.payload.length)))).toBeLessThanOrEqual(65_536);
    expect(text(run)).toHaveLength(200_003);
  }, TEST_TIMEOUT_MS);

  it('between two inputs are one record, caused by the input that was served', async () => {
    const records = inputs('one\ntwo\n', 'three\n');
    const run = await started(await programOf(await compiled('echo')), records);
    run.feed();
    await run.untilEnd();
    expect(run.outputs.map((o) => [o.causedBySeq, o.originMs, (Buffer.from(o.messages[0]?.payload ?? '').toString().match(/\n/g) ?? []).length])).toEqual([
      [0, 0, 1], [records[0]!.seq, records[0]!.originMs, 2], [records[1]!.seq, records[1]!.originMs, 1],
    ]);
    expect(run.outputs[2]!.exit).toEqual({ code: 3 });
  }, TEST_TIMEOUT_MS);
});

describe('state outside of memory', () => {
  const READ = '(drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))';
  const fields = (rest: string): string => `
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\04\\00\\00\\00") ${rest}`;
  const movedInRead = async (module: string): Promise<ContractRun> => {
    const run = await started(await programOf(wat(module)), inputs('x'));
    await run.move();
    run.thread.resume();
    run.feed();
    await run.untilEnd();
    return run;
  };

  it('moves with the thread: globals bit by bit, tables, their sizes', async () => {
    const check = (condition: string, code: number): string => `(if (i32.eqz ${condition}) (then (call $exit (i32.const ${code}))))`;
    const run = await movedInRead(`(module ${fields(`
      (type $answer (func (result i32)))
      (global $i (mut i64) (i64.const 0)) (global $f (mut f32) (f32.const 0)) (global $d (mut f64) (f64.const 0))
      (global $v (mut v128) (v128.const i32x4 0 0 0 0)) (global $w (mut i32) (i32.const 0))
      (table $t 2 50 funcref) (elem $e func $a $b)
      (func $a (result i32) (i32.const 10)) (func $b (result i32) (i32.const 20))`)}
      (func (export "_start")
        (global.set $i (i64.const -81985529216486896)) (global.set $w (i32.const -5))
        (global.set $f (f32.reinterpret_i32 (i32.const 0xffa12345))) (global.set $d (f64.reinterpret_i64 (i64.const 0xfff4deadbeef0001)))
        (global.set $v (v128.const i64x2 0x0123456789abcdef -2))
        (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))
        (drop (table.grow $t (ref.func $a) (i32.const 7)))
        (table.set $t (i32.const 5) (ref.func $b)) (table.set $t (i32.const 0) (ref.null func)) (elem.drop $e)
        ${READ}
        ${check('(i64.eq (global.get $i) (i64.const -81985529216486896))', 1)} ${check('(i32.eq (global.get $w) (i32.const -5))', 2)}
        ${check('(i32.eq (i32.reinterpret_f32 (global.get $f)) (i32.const 0xffa12345))', 3)}
        ${check('(i64.eq (i64.reinterpret_f64 (global.get $d)) (i64.const 0xfff4deadbeef0001))', 4)}
        ${check('(i64.eq (i64x2.extract_lane 0 (global.get $v)) (i64.const 0x0123456789abcdef))', 5)} ${check('(i64.eq (i64x2.extract_lane 1 (global.get $v)) (i64.const -2))', 6)}
        ${check('(i32.eq (table.size $t) (i32.const 9))', 7)} ${check('(ref.is_null (table.get $t (i32.const 0)))', 8)}
        ${check('(i32.eq (call_indirect $t (type $answer) (i32.const 5)) (i32.const 20))', 9)}
        ${check('(i32.eq (call_indirect $t (type $answer) (i32.const 8)) (i32.const 10))', 10)}
        (call $exit (i32.const 42))))`);
    expect([run.faults, run.exitCode]).toEqual([[], 42]);
  }, TEST_TIMEOUT_MS);

  it.each([
    ['data', '(data $p "later")', '(data.drop $p)', '(memory.init $p (i32.const 64) (i32.const 0) (i32.const 1))'],
    ['elements', '(table $t 2 funcref) (elem $p func $f) (func $f)', '(elem.drop $p)', '(table.init $t $p (i32.const 0) (i32.const 0) (i32.const 1))'],
  ])('keeps a segment of %s dropped that the program has dropped, and usable one that it has not', async (_what, declaration, drop, use) => {
    const kept = await movedInRead(`(module ${fields(declaration)} (func (export "_start") ${READ} ${use} ${drop} (call $exit (i32.const 42))))`);
    expect([kept.faults, kept.exitCode]).toEqual([[], 42]);
    const dropped = await movedInRead(`(module ${fields(declaration)} (func (export "_start") ${drop} ${READ} ${use} (call $exit (i32.const 42))))`);
    expect(dropped.faults).toMatchObject([{ code: 'thread-fault', reason: expect.stringContaining('out of bounds') as unknown }]);
  }, TEST_TIMEOUT_MS);

  it('of a program that is stopped in its start function goes on there, before _start', async () => {
    const run = await movedInRead(`(module ${fields('(global $g (mut i32) (i32.const 0))')}
      (func $first ${READ} (global.set $g (i32.add (global.get $g) (i32.const 40)))) (start $first)
      (func (export "_start") (call $exit (i32.add (global.get $g) (i32.const 2)))))`);
    expect([run.faults, run.exitCode]).toEqual([[], 42]);
  }, TEST_TIMEOUT_MS);

  it('of a program that has ended is a snapshot too, and stays ended', async () => {
    const run = await misbehaving('');
    await run.untilEnd();
    granted(await run.thread.snapshot());
    await run.move();
    run.thread.resume();
    expect(run.outputs).toHaveLength(1);
  }, TEST_TIMEOUT_MS);
});
