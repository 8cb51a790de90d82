import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import type { InputRecord, ThreadProgram } from '@godwit/runtime';
import { ContractRun, descendantsOf, granted, leftOf, sha256Of, throughBytes } from '@godwit/testing';
import { compiled, describeWithRig, inputs, MIB, openRig, programOf, type Rig } from './criu-rig.js';
import { criuFor, userIdOf } from './index.js';
import { fromSections, toSections } from './snapshot-sections.js';

const rig = await openRig();
const MOVES = 5;
const LEFT_MS = 10_000;
const scratch = mkdtempSync(join(tmpdir(), 'godwit-c-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const counter = compiled('counter', scratch);
if (counter === undefined) process.stderr.write('SKIPPED: moves of a C program: there is no C compiler (cc) here\n');

const lines = (count: number): InputRecord[] => inputs(...Array.from({ length: count }, (_, i) => `line ${i} ${'x'.repeat(i % 50)}\n`));
const HOLDS_MS = 20_000;
/** Looks again and again. @throws Error that names what did not come true. */
async function holds(what: string, look: () => boolean): Promise<void> {
  for (const giveUpAtMs = performance.now() + HOLDS_MS; !look();) {
    if (performance.now() > giveUpAtMs) throw new Error(`not within ${HOLDS_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const textOf = (run: ContractRun): string => run.outputs.flatMap((output) => output.messages.map((m) => Buffer.from(m.payload).toString())).join('');

/** A background child of its own counts, too, and tells what it has when the input ends. */
const FAMILY = `#!/bin/sh
( n=0; while read -r word; do n=$((n + 1)); echo "child $n $word"; done ) | cat &
wait
echo "parent ends"
`;

describeWithRig('moves of processes', rig, (open: Rig) => {
  // long because it is a list of cases, each short
  afterAll(() => open.remove());
  const runs: ContractRun[] = [];
  const runOf = (program: ThreadProgram, records: readonly InputRecord[]): ContractRun => {
    const run = new ContractRun(open.runtime(), program, records);
    runs.push(run);
    return run;
  };
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.stop();
  });

  (counter === undefined ? it.skip : it)('moves a C program five times in mid-work: no count is missing, none twice, the hash holds', async () => {
    const records = lines(40);
    const program = programOf(counter!, { args: ['8'] });
    const left = runOf(program, records);
    await left.start();
    left.feed();
    await left.untilEnd();
    const moved = runOf(program, records);
    await moved.start();
    for (let move = 1; move <= MOVES; move++) {
      moved.feed();
      // It has just been given a record, and works on it.
      await moved.until(() => moved.consumed.length >= move * 6 || moved.ended, 'the next record');
      await moved.move();
      moved.thread.resume();
    }
    moved.feed();
    await moved.untilEnd();
    expect(moved.moves).toBe(MOVES);
    expect(moved.faults).toEqual([]);
    expect(textOf(moved)).toBe(textOf(left));
    expect(textOf(moved).trim().split('\n')).toHaveLength(records.length);
    expect([moved.exitCode, left.exitCode]).toEqual([3, 3]);
  }, 120_000);

  it('gives back what was handed over and not read: 200 KB of a record that nobody has taken', async () => {
    const text = `${Array.from({ length: 4_000 }, (_, i) => `${i} ${'y'.repeat(44)}`).join('\n')}\n`;
    const slow = programOf('#!/bin/sh\nsleep 1\nwhile read -r line; do echo "${line% *}"; done\n');
    const run = runOf(slow, inputs(text));
    await run.start();
    run.feed();
    // The record is more than the pipe holds: it is handed over in part when the freeze comes.
    await holds('the record is begun', () => run.thread.sample().polls > 0);
    await run.move();
    expect(run.consumed).toEqual([10]);
    run.thread.resume();
    await run.untilEnd();
    expect(textOf(run)).toBe(Array.from({ length: 4_000 }, (_, i) => `${i}\n`).join(''));
  }, 120_000);

  it('moves a process tree with its children', async () => {
    const run = runOf(programOf(FAMILY), inputs());
    await run.start();
    await run.move();
    run.thread.resume();
    await run.untilEnd();
    expect(textOf(run)).toBe('parent ends\n');
    expect(run.exitCode).toBe(0);
  }, 60_000);

  it('leaves no process behind when it is stopped', async () => {
    const before = new Set((await descendantsOf(process.pid)).map(({ pid }) => pid));
    const run = runOf(programOf('#!/bin/sh\nsleep 600 & sleep 600\n'), []);
    await run.start();
    const own = (await descendantsOf(process.pid)).filter(({ pid }) => !before.has(pid));
    expect(own.length).toBeGreaterThan(3);
    await run.stop();
    expect(await leftOf(own, LEFT_MS)).toEqual([]);
  }, 60_000);

  it('runs without privileges, without network, under a user id of its own', async () => {
    const run = runOf(programOf('#!/bin/sh\nid -u; id -G; grep -E "^(CapBnd|NoNewPrivs)" /proc/self/status; ls /run | wc -l; tail -n +3 /proc/net/dev | grep -cv lo:\n'), []);
    await run.start();
    await run.untilEnd();
    const id = String(userIdOf(programOf('').thread));
    expect(textOf(run).split('\n')).toEqual([id, id, expect.stringMatching(/^CapBnd:\s*0+$/), expect.stringMatching(/^NoNewPrivs:\s*1$/), expect.any(String), '0', '']);
  }, 60_000);

  it('reports the program’s own end by a signal as its exit code, and the death of the whole tree as a fault', async () => {
    const killed = runOf(programOf('#!/bin/sh\nkill -9 $$\n'), []);
    await killed.start();
    await killed.untilEnd();
    expect(killed.exitCode).toBe(137);
    const torn = runOf(programOf('#!/bin/sh\necho here >&2\nkill -9 $PPID\nkill -9 $$\n'), []);
    await torn.start();
    await torn.untilEnd();
    expect(torn.faults[0]).toMatchObject({ code: 'thread-fault', reason: expect.stringMatching(/without an exit code.*here/) });
  }, 60_000);

  it('ends a program that takes more memory than it may', async () => {
    const run = runOf(programOf('#!/bin/sh\nx=xxxxxxxxxxxxxxxx\nwhile :; do x=$x$x; done\n', { limits: { ...programOf('').limits, memoryBytes: 8 * MIB } }), []);
    await run.start();
    await run.untilEnd();
    expect(run.faults[0]).toMatchObject({ code: 'limit-exceeded', field: 'limits.memoryBytes' });
  }, 60_000);

  it('holds a program to its duty, and lets it go again', async () => {
    const run = runOf(programOf('#!/bin/sh\nwhile :; do :; done\n'), []);
    await run.start();
    run.thread.setDuty(0.2);
    await holds('half a second held', () => run.thread.sample().heldSeconds >= 0.5);
    const { heldSeconds: held, cpuSeconds } = run.thread.sample();
    expect(cpuSeconds).toBeLessThan(held);
    await run.freeze();
    run.thread.resume();
    run.thread.setDuty(1);
    expect(run.faults).toEqual([]);
  }, 60_000);

  describe('refuses', () => {
    const snapshotOf = async (program: ThreadProgram) => {
      const run = runOf(program, []);
      await run.start();
      await run.until(() => run.outputs.length > 0, 'the first line');
      await run.freeze();
      return run.thread.snapshot();
    };

    it('to move a program that writes to a file of the machine', async () => {
      const answer = await snapshotOf(programOf('#!/bin/sh\nexec 5> "/tmp/godwit-spec-$$"\nrm -f "/tmp/godwit-spec-$$"\necho open\nread -r line\n'));
      expect(answer).toMatchObject({ refused: true, code: 'not-migratable' });
      const written = await snapshotOf(programOf('#!/bin/sh\nexec 5>> "/var/tmp/godwit-spec-process"\necho open\nread -r line\n'));
      rmSync('/var/tmp/godwit-spec-process', { force: true });
      expect(written).toMatchObject({ refused: true, code: 'not-migratable', reason: expect.stringMatching(/godwit-spec-process.*files are not part of a thread/) });
    }, 60_000);

    it('to move a program whose child has left its tree', async () => {
      const answer = await snapshotOf(programOf('#!/bin/sh\n( sleep 600 & )\nsleep 0.3\necho gone\nread -r line\n'));
      expect(answer).toMatchObject({ refused: true, code: 'not-migratable', reason: expect.stringMatching(/sleep 600.*has left/) });
    }, 60_000);

    it('images under another user id, of another CPU, of another kind, although their seal fits', async () => {
      const program = programOf('#!/bin/sh\necho ready\nread -r line\n');
      const good = throughBytes(granted(await snapshotOf(program)));
      const state = granted(fromSections(good, { imageBytes: 1_000 * MIB }, sha256Of));
      const resealed = (change: (name: string, bytes: Uint8Array) => Uint8Array | undefined, more: { name: string; bytes: Uint8Array }[] = []) => {
        const images = [...state.images.flatMap(({ name, bytes }) => { const changed = change(name, new Uint8Array(bytes)); return changed ? [{ name, bytes: changed }] : []; }), ...more];
        return { ...good, sections: toSections(good, { ...state, images }, sha256Of) };
      };
      const target = runOf({ ...program }, []);
      await target.prepare();
      const attempt = async (snapshot: typeof good): Promise<string> => {
        const answer = await target.thread.restore(snapshot);
        return isRefusal(answer) ? `${answer.code}: ${answer.reason}` : 'accepted';
      };
      const same = (_name: string, bytes: Uint8Array): Uint8Array => bytes;
      expect(await attempt(resealed(same, [{ name: 'netns-1.img', bytes: new Uint8Array(8) }]))).toMatch(/^snapshot-damaged: .*not an image/);
      expect(await attempt(resealed(same, [{ name: '../escape.img', bytes: new Uint8Array(8) }]))).toMatch(/^snapshot-damaged: /);
      expect(await attempt(resealed((name, bytes) => (name === 'cpuinfo.img' ? otherCpu(bytes) : bytes)))).toMatch(/^no-capability: .*CPU/);
      expect(await attempt(resealed((name, bytes) => (name.startsWith('mm-') ? undefined : bytes)))).toMatch(/^no-capability: criu restore failed/);
      // The same images for a thread of another name, hence another user id.
      const other = runOf({ ...program, thread: 'thread-2' as typeof program.thread }, []);
      await other.prepare();
      const renamed = { ...good, thread: 'thread-2' as typeof good.thread };
      expect(await other.thread.restore({ ...renamed, sections: toSections(renamed, state, sha256Of) })).toMatchObject({ refused: true, code: 'snapshot-damaged', reason: expect.stringMatching(/another user or group id/) });
      // After all of these the target is as good as new.
      expect(await attempt(good)).toBe('accepted');
    }, 120_000);

    it.each([
      ['what is no program', 'just text', 'invalid-program'],
      ['a script for an interpreter that is not here', '#!/nowhere/interpreter\n', 'no-capability'],
      ['an executable for another machine', new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 8, 0]), 'no-capability'],
    ])('%s', async (_what, bytes, code) => {
      const answer = await open.runtime().prepare(programOf(bytes), { onOutput() {}, onConsumed() {}, onFault() {}, onExit() {} }, sha256Of);
      expect(answer).toMatchObject({ refused: true, code });
    });
  });

  it('serves benches as a peer: a native process, dumped and restored by CRIU alone', async () => {
    await using peer = await criuFor(open.options, { path: '/bin/sleep', args: ['600'] });
    for (let i = 0; i < 2; i++) {
      const { dumpMs, restoreMs, freezeMs } = await peer.move();
      expect(Math.min(dumpMs, restoreMs)).toBeGreaterThan(0);
      expect(freezeMs).toBeGreaterThanOrEqual(dumpMs + restoreMs);
    }
  }, 60_000);
});

/** A CPU with features that this one lacks: every bit of its capability words set. */
function otherCpu(bytes: Uint8Array): Uint8Array {
  for (let at = 16; at < bytes.length; at++) if (bytes[at]! !== 0 && bytes[at]! < 0x80 && bytes[at - 1]! >= 0x80) bytes[at] = 0x0f;
  return bytes;
}
