import { describe, expect, it } from '@jest/globals';
import type { InputRecord } from '@godwit/runtime';
import { inputs } from './wasm-rig.js';
import { decodeWasi, encodeWasi, freshState } from './wasi-state.js';
import { ERRNO, MAX_OUTPUT_BYTES, UNWIND, WASI_NAMES, WasiSystem, type OutputDraft } from './wasi.js';
import { WASI_SIGNATURES } from './wasi-signatures.js';

function systemWith(records: readonly InputRecord[] = []) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  const outputs: OutputDraft[] = [];
  const queue = [...records];
  const state = freshState(5);
  const system = new WasiSystem(memory, state, { takeRecord: () => queue.shift(), output: (o) => outputs.push(o), diagnostics() {} }, ['a', 'bc'], { B: '2', A: '1' });
  const bytes = (): Buffer => Buffer.from(memory.buffer);
  /** Reads at most `length` bytes; answers them. */
  const read = (length: number): string | number | typeof UNWIND => {
    bytes().writeUInt32LE(1_000, 0);
    bytes().writeUInt32LE(length, 4);
    const errno = system.call('fd_read', [0, 0, 1, 8]);
    return errno === ERRNO.success ? bytes().toString('latin1', 1_000, 1_000 + bytes().readUInt32LE(8)) : errno;
  };
  const write = (text: string): number | typeof UNWIND => {
    bytes().write(text, 2_000, 'latin1');
    bytes().writeUInt32LE(2_000, 0);
    bytes().writeUInt32LE(text.length, 4);
    return system.call('fd_write', [1, 0, 1, 8]);
  };
  return { system, state, memory, outputs, queue, bytes, read, write };
}

describe('the standard input', () => {
  it('returns at most one message for each read, and keeps the rest of it', () => {
    const record = inputs('abcdef')[0]!;
    const { read } = systemWith([{ ...record, messages: ['abcdef', '', 'gh'].map((t) => ({ kind: 'x', payload: Buffer.from(t) })) }]);
    expect([read(4), read(10), read(10), read(10), read(10)]).toEqual(['abcd', 'ef', 'gh', '', '']);
  });

  it('passes over records without bytes, and unwinds when none is there', () => {
    const [first, second] = inputs('', 'x') as [InputRecord, InputRecord];
    const { read, queue, state } = systemWith([first]);
    expect(read(5)).toBe(UNWIND);
    expect(state).toMatchObject({ cursorSeq: first.seq, waiting: { iovs: 0, count: 1, nread: 8 } });
    queue.push(second);
    expect(read(5)).toBe('x');
  });

  it('takes up again the call that was unwound, whatever arguments a rewind brings', () => {
    const { system, read, queue, bytes } = systemWith();
    expect(read(5)).toBe(UNWIND);
    queue.push(...inputs('hello'));
    expect(system.call('fd_read', [0, 4_000_000, 9, 4_000_000])).toBe(ERRNO.success);
    expect(bytes().toString('latin1', 1_000, 1_005)).toBe('hello');
  });
});

describe('the standard output', () => {
  it('is cut at each write before the first read, then only where input is asked for', () => {
    const { write, read, outputs } = systemWith(inputs('one', 'two'));
    write('a');
    write('b');
    read(10);
    write('c');
    write('d');
    read(10);
    write('e');
    read(10);
    expect(outputs.map((o) => [Buffer.from(o.bytes).toString(), o.causedBySeq])).toEqual([['a', 0], ['b', 0], ['cd', 10]]);
  });

  it('is cut at 64 KiB', () => {
    const { write, read, outputs, memory, state } = systemWith(inputs('x'));
    memory.grow(3);
    read(1);
    for (let i = 0; i < 3; i++) write('y'.repeat(50_000));
    expect(outputs.map((o) => o.bytes.length)).toEqual([MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES]);
    expect(Buffer.concat(state.pending)).toHaveLength(150_000 - 2 * MAX_OUTPUT_BYTES);
  });
});

describe('time and chance', () => {
  it('follow from the records and the number of questions alone', () => {
    const ask = ({ system, bytes }: ReturnType<typeof systemWith>): bigint => {
      system.call('clock_time_get', [0, 0n, 64]);
      return bytes().readBigUInt64LE(64);
    };
    const one = systemWith(inputs('x'));
    expect([ask(one), ask(one)]).toEqual([1_000n, 2_000n]);
    one.read(1);
    expect(ask(one)).toBe(1_700_000_000_000_001_000n);
    const [a, b] = [systemWith(), systemWith()].map((s) => { s.system.call('random_get', [64, 33]); return s.bytes().toString('hex', 64, 97); });
    expect(a).toBe(b);
  });

  it('never go back, also when a record is older than the program’s own time', () => {
    const { system, state, read, bytes } = systemWith(inputs('x', 'y'));
    read(1);
    const before = state.clockNs;
    bytes().fill(0, 100, 148);
    bytes().writeBigUInt64LE(10n ** 12n, 124);
    expect(system.call('poll_oneoff', [100, 200, 1, 300])).toBe(ERRNO.success);
    expect(state.clockNs).toBe(before + 10n ** 12n);
    read(1);
    expect(state.clockNs).toBe(before + 10n ** 12n);
  });
});

describe('every call', () => {
  const hostile = [0, 1, 4, 8, 65_535, 65_536, 0x7fffffff, -1, -4, -8, -65_536];
  it.each(WASI_NAMES.filter((n) => n !== 'proc_exit'))('%s answers a number, whatever pointers it is given', (name) => {
    const { system } = systemWith(inputs('x'));
    const kinds = WASI_SIGNATURES[name]!.split(':')[0]!;
    for (const value of hostile) for (let at = 0; at <= kinds.length; at++) {
      const args = [...kinds].map((kind, i) => { const v = i === at ? value : i === 0 ? 0 : 64; return kind === 'I' ? BigInt(v) : v; });
      const answer = system.call(name, args);
      if (answer !== UNWIND) expect(answer).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('the state', () => {
  it('is the same again after its bytes, and is refused when they are cut or longer', () => {
    const { write, read, state, system } = systemWith(inputs('a line that is read in part'));
    read(3);
    write('pending');
    system.call('fd_close', [2]);
    const bytes = encodeWasi(state);
    const own = { cursorSeq: state.cursorSeq, recordMs: state.recordMs, clockAsks: state.clockAsks, random: state.random.saved() };
    expect(encodeWasi(decodeWasi(bytes, own))).toEqual(bytes);
    for (let cut = 0; cut < bytes.length; cut++) expect(() => decodeWasi(bytes.subarray(0, cut), own)).toThrow(RangeError);
    expect(() => decodeWasi(Buffer.concat([bytes, Buffer.of(0)]), own)).toThrow(RangeError);
  });
});
