import { describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { ensureMigratable } from './instrument.js';
import { compiled, RIG_LIMITS } from './wasm-rig.js';
import { wat } from './wat-rig.js';

/** A command with these fields and this body of `_start`. */
const command = (fields: string, body = ''): Uint8Array => wat(`(module ${fields} (func $start (export "_start") ${body}))`);
const MEMORY = '(memory (export "memory") 1)';

async function refusalOf(bytes: Uint8Array): Promise<{ code: string; reason: string; field?: string }> {
  const answer = await ensureMigratable(bytes, RIG_LIMITS);
  if (!isRefusal(answer)) throw new Error('it was accepted');
  return answer;
}

describe('ensureMigratable', () => {
  it.each([
    ['nothing', new Uint8Array(0), /four bytes/],
    ['an ELF program', Buffer.from('\x7fELF\x02\x01\x01\0\0\0\0\0', 'latin1'), /four bytes/],
    ['WebAssembly text', Buffer.from('(module (memory 1))'), /text/],
    ['a component', new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), /component/],
    ['a version of the future', new Uint8Array([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]), /version 2/],
  ])('refuses %s as no module', async (_what, bytes, reason) => {
    expect(await refusalOf(bytes)).toMatchObject({ code: 'not-wasm', field: 'bytes', reason: expect.stringMatching(reason) as unknown });
  });

  it('refuses a module that was cut off, wherever it was', async () => {
    const whole = await compiled('echo');
    for (const part of [0.01, 0.3, 0.7, 0.999]) {
      expect(await refusalOf(whole.subarray(0, 8 + Math.floor((whole.length - 8) * part)))).toMatchObject({ code: 'not-wasm' });
    }
  });

  it.each([
    ['a function of another module', '(import "env" "system" (func (param i32)))', 'env.system'],
    ['a WASI function that does not exist', '(import "wasi_snapshot_preview1" "fd_open" (func))', 'wasi_snapshot_preview1.fd_open'],
    ['a WASI function with another signature', '(import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32)))', 'wasi_snapshot_preview1.fd_close'],
    ['the prototype of objects', '(import "wasi_snapshot_preview1" "constructor" (func))', 'wasi_snapshot_preview1.constructor'],
    ['a shared memory', '(import "env" "memory" (memory 1 1 shared))', 'env.memory'],
    ['a table', '(import "env" "table" (table 1 funcref))', 'env.table'],
  ])('refuses a module that imports %s, and names it', async (_what, field, name) => {
    expect(await refusalOf(command(`${field} (memory $own 1) (export "memory" (memory $own))`))).toMatchObject({ code: 'unknown-import', field: name });
  });

  it.each([
    ['has 64-bit memory', '(memory (export "memory") i64 1)', '', /memory64/],
    ['has a shared memory', '(memory (export "memory") 1 1 shared)', '', /shared/],
    ['exports no memory', '(memory 1)', '', /exports no memory/],
    ['throws exceptions', `${MEMORY} (tag $t)`, '(throw $t)', /exceptions/],
    ['calls in tail position', `${MEMORY} (func $other)`, '(return_call $other)', /tail calls/],
    ['uses relaxed SIMD', MEMORY, '(drop (f32x4.relaxed_min (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0)))', /relaxed SIMD/],
    ['uses atomic access', MEMORY, '(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))', /atomic/],
    ['has objects of the GC proposal', `${MEMORY} (type $s (struct (field i32)))`, '(drop (struct.new $s (i32.const 1)))', /GC|garbage/],
    ['keeps references in a variable', `${MEMORY} (global $g (mut funcref) (ref.null func))`, '', /reference/],
    ['is instrumented already', `${MEMORY} (func (export "godwit.resume"))`, '', /godwit\.resume/],
  ])('refuses a module that %s', async (_what, fields, body, reason) => {
    expect(await refusalOf(command(fields, body))).toMatchObject({ code: 'not-migratable', reason: expect.stringMatching(reason) as unknown });
  });

  it('refuses a library, which has no _start', async () => {
    expect(await refusalOf(wat(`(module ${MEMORY} (func (export "_initialize")))`))).toMatchObject({ code: 'not-migratable', reason: expect.stringContaining('_start') as unknown });
  });

  it('refuses a module that begins above its limits, and names the limit', async () => {
    expect(await refusalOf(command('(memory (export "memory") 2000)'))).toMatchObject({ code: 'limit-exceeded', field: 'limits.memoryBytes' });
    expect(await refusalOf(command(`${MEMORY} (table 5000 funcref)`))).toMatchObject({ code: 'limit-exceeded', field: 'limits.tableEntries' });
  });

  it('refuses a module above 16 MiB', async () => {
    expect(await refusalOf(new Uint8Array(16 * 1024 * 1024 + 1))).toMatchObject({ code: 'payload-too-large' });
  });

  it('ends an instrumentation that takes too long', async () => {
    const answer = await ensureMigratable(await compiled('echo'), RIG_LIMITS, 50);
    expect(answer).toMatchObject({ code: 'not-migratable', reason: expect.stringContaining('longer than 50 ms') as unknown });
  });
});
