import { describe, expect, it } from '@jest/globals';
import { EXPORT_RUN, HOST_MODULE } from './abi.js';
import { rewriteModule } from './rewrite.js';
import { RIG_LIMITS } from './wasm-rig.js';
import { wat } from './wat-rig.js';

/** Runs the rewritten `_start` of a module (whose stores begin at 0); answers its memory and the sites that polled. */
function run(body: string, attention = 1): { memory: Buffer; sites: string[] } {
  const { bytes, description } = rewriteModule(wat(`(module (memory (export "memory") 1) ${body})`), RIG_LIMITS);
  const shared = (initial: number, maximum: number): WebAssembly.Memory => new WebAssembly.Memory({ initial, maximum, shared: true });
  const memories = { memory: shared(1, description.maximumPages), control: shared(1, 1), stack: shared(description.stackPages, description.stackPages) };
  new Int32Array(memories.control.buffer)[0] = attention;
  const sites: string[] = [];
  const poll = (site: number): void => { sites.push(description.sites[site]!); };
  if (!WebAssembly.validate(bytes)) throw new Error('the rewritten module is not valid');
  const instance = new WebAssembly.Instance(new (WebAssembly.Module as unknown as new (b: Uint8Array) => WebAssembly.Module)(bytes), { [HOST_MODULE]: { ...memories, poll } });
  (instance.exports[EXPORT_RUN] as () => void)();
  return { memory: Buffer.from(memories.memory.buffer), sites };
}
const start = (locals: string, body: string): string => `(func (export "_start") ${locals} ${body})`;
/** A NaN whose bits are none that arithmetic should leave: negative, with a payload. */
const ODD = '(f64.reinterpret_i64 (i64.const 0xfff4deadbeef0001))';
const CANONICAL = 0x7ff8000000000000n;

describe('polls', () => {
  it('stand once in 1,024 turns of an innermost loop, and at each turn of an outer one', () => {
    const { sites, memory } = run(start('(local $i i32) (local $j i32)', `
      (loop $out (local.set $j (i32.const 0))
        (loop $in (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
          (br_if $in (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 3000))))
        (br_if $out (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2))))`));
    expect(memory.readUInt32LE(0)).toBe(6_000);
    expect(sites).toEqual(['loop:0.0', 'loop:0.1', 'loop:0.1', 'loop:0.1', 'loop:0.0', 'loop:0.1', 'loop:0.1', 'loop:0.1']);
  });

  it('are not taken while the host wants nothing, and a loop that never repeats has none', () => {
    const loop = '(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9))))';
    expect(run(start('(local $i i32)', loop), 0).sites).toEqual([]);
    expect(run(start('(local $i i32)', '(loop $l (nop))')).sites).toEqual([]);
  });

  it('stand in each cycle of calls, also through a table', () => {
    const direct = run(`(func $f (param i32) (if (local.get 0) (then (call $g (i32.sub (local.get 0) (i32.const 1))))))
      (func $g (param i32) (call $f (local.get 0))) ${start('', '(call $f (i32.const 4))')}`);
    expect(direct.sites.length).toBe(5);
    const indirect = run(`(type $t (func (param i32))) (table 1 funcref) (elem (i32.const 0) $f)
      (func $f (param i32) (if (local.get 0) (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))) ${start('', '(call $f (i32.const 4))')}`);
    expect(indirect.sites.length).toBe(5);
  });

  it('leave values that a loop gives and branches out of nested loops as they were', () => {
    const { memory } = run(start('(local $i i32) (local $sum i32)', `
      (i32.store (i32.const 0) (block $done (result i32) (loop $out (result i32)
        (loop $in
          (local.set $sum (i32.add (local.get $sum) (local.get $i)))
          (drop (br_if $done (i32.add (local.get $sum) (i32.const 7)) (i32.gt_u (local.get $i) (i32.const 5000))))
          (br_table $in $in $out (i32.rem_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
        (i32.const 1))))`));
    expect(memory.readUInt32LE(0)).toBe((5_001 * 5_002) / 2 + 7);
  });
});

describe('NaNs', () => {
  const stored = (expression: string, locals = ''): bigint => run(start(locals, `(f64.store (i32.const 0) ${expression})`)).memory.readBigUInt64LE(0);

  it('made by arithmetic are canonical when they are stored, reinterpreted, passed on or merged', () => {
    const made = `(f64.add ${ODD} (f64.const 1))`;
    expect(stored(made)).toBe(CANONICAL);
    expect(stored(`(f64.neg ${made})`)).toBe(CANONICAL);
    expect(stored(`(f64.mul (f64.sub ${made} (f64.const 2)) (f64.const 3))`)).toBe(CANONICAL);
    expect(run(start('', `(i64.store (i32.const 0) (i64.reinterpret_f64 ${made}))`)).memory.readBigUInt64LE(0)).toBe(CANONICAL);
    expect(stored(`(block (result f64) (br_if 0 ${made} (i32.load (i32.const 64))))`)).toBe(CANONICAL);
    expect(run(`(func $f (param f64) (f64.store (i32.const 0) (local.get 0))) ${start('', `(call $f ${made})`)}`).memory.readBigUInt64LE(0)).toBe(CANONICAL);
    expect(stored('(local.get $x)', `(local $x f64) (local.set $x ${made})`)).toBe(CANONICAL);
    expect(run(start('', `(f32.store (i32.const 0) (f32.demote_f64 ${ODD}))`)).memory.readUInt32LE(0)).toBe(0x7fc00000);
    expect(stored(`(f64.copysign (f64.const 3) ${made})`)).toBe(0x4008000000000000n);
  });

  it('that are only moved keep their bits', () => {
    const odd = 0xfff4deadbeef0001n;
    expect(stored(ODD)).toBe(odd);
    expect(stored('(local.get $x)', `(local $x f64) (local.set $x ${ODD})`)).toBe(odd);
    expect(stored(`(select ${ODD} (f64.add (f64.const 1) (f64.const 2)) (i32.const 1))`)).toBe(odd);
    expect(run(`(func $f (param f64) (result f64) (local.get 0)) ${start('', `(f64.store (i32.const 0) (call $f ${ODD}))`)}`).memory.readBigUInt64LE(0)).toBe(odd);
    // The local is sometimes computed and sometimes moved: each keeps to its own rule.
    expect(stored('(local.get $x)', `(local $x f64) (local.set $x (f64.add ${ODD} (f64.const 1))) (local.set $x ${ODD})`)).toBe(odd);
    expect(stored('(local.get $x)', `(local $x f64) (local.set $x ${ODD}) (local.set $x (f64.add ${ODD} (f64.const 1)))`)).toBe(CANONICAL);
  });

  it('in vectors are canonical in each lane', () => {
    const { memory } = run(start('', `(v128.store (i32.const 0) (f64x2.add (v128.const i64x2 0xfff4deadbeef0001 0x3ff0000000000000) (f64x2.splat (f64.const 1))))
      (v128.store (i32.const 16) (f32x4.div (v128.const f32x4 0 1 0 2) (v128.const f32x4 0 1 0 2)))`));
    expect([memory.readBigUInt64LE(0), memory.readDoubleLE(8)]).toEqual([CANONICAL, 2]);
    expect([memory.readUInt32LE(16), memory.readFloatLE(20), memory.readUInt32LE(24), memory.readFloatLE(28)]).toEqual([0x7fc00000, 1, 0x7fc00000, 1]);
  });
});
