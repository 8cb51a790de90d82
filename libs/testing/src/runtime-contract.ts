/**
 * The contract of every runtime (R1–R5 of the port): a program gives the same outputs, bit for bit, whether it is moved
 * or not, wherever it is stopped. Each member of `programs` is one behaviour; a runtime passes when all of its pass.
 */
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { isRefusal, Xoshiro128 } from '@godwit/kernel';
import type { InputRecord, Runtime, ThreadProgram } from '@godwit/runtime';
import { encodeSnapshot, type ThreadOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { CONTRACT_TIMEOUT_MS, ContractRun, granted, throughBytes, utf8 } from './contract-run.js';

export interface ContractProgram {
  /** What it does, as part of a test's name. */
  readonly name: string;
  program(): Promise<ThreadProgram>;
  /** Sequences ascend; the last one ends the input, or the program ends by itself. */
  readonly inputs: readonly InputRecord[];
  /** It rewrites its state without pause: then a live copy must find that out in its second round. */
  readonly rewrites?: boolean;
  /** It computes so long between inputs that it can be stopped inside: at least so many moves must happen. */
  readonly movesInside: number;
}

const MOST_MOVES = 25;
const LIVE_MOVES = 10;
const LIVE_DUTY = 0.02;
const PROGRAM_TIMEOUT_MS = 600_000;
const LONGEST_STRETCH_MS = 6;

/** Everything that a reader of the journal can see. */
const visible = (outputs: readonly ThreadOutput[]): unknown[] =>
  outputs.map((o) => [o.n, o.causedBySeq, o.originMs, o.exit?.code ?? null, o.hash, o.messages.map((m) => [m.kind, Buffer.from(m.payload).toString('hex')])]);
const bytesOf = (snapshot: ThreadSnapshot): string => Buffer.concat(encodeSnapshot(snapshot, utf8)).toString('base64');

/** Lets the program run for a moment of a seeded length: not a wait for something, but the choice of where it is stopped. */
const stretch = (rng: Xoshiro128): Promise<void> => new Promise((resolve) => setTimeout(resolve, rng.next() * LONGEST_STRETCH_MS));

export function runtimeContract(makeRuntime: () => Runtime, programs: readonly ContractProgram[]): void {
  // long because it is a list of cases, each short
  describe.each(programs.map((p) => [p.name, p] as const))('a thread that %s', (_name, member) => {
    const runs: ContractRun[] = [];
    let expected: Promise<ContractRun> | undefined;
    const newRun = async (): Promise<ContractRun> => {
      const run = new ContractRun(makeRuntime(), await member.program(), member.inputs);
      runs.push(run);
      return run;
    };
    const unmoved = async (): Promise<ContractRun> => {
      const run = await newRun();
      await run.start();
      run.feed();
      await run.untilEnd();
      return run;
    };
    /** The outputs of a run that was left alone, made once. */
    const reference = (): Promise<ContractRun> => (expected ??= unmoved());
    const expectSame = async (run: ContractRun): Promise<void> => {
      const left = await reference();
      expect(run.faults).toEqual([]);
      expect(run.exitCode).toBe(left.exitCode);
      expect(visible(run.outputs)).toEqual(visible(left.outputs));
    };
    // Apart from the tests, because a program may have to be compiled first.
    beforeAll(async () => { await member.program(); }, PROGRAM_TIMEOUT_MS);
    afterEach(async () => {
      for (const run of runs.splice(0)) await run.stop();
    });

    it('ends by itself, and gives the same outputs each time', async () => {
      const left = await reference();
      expect(left.faults).toEqual([]);
      expect(left.outputs.map((o) => o.n)).toEqual(left.outputs.map((_, i) => i + 1));
      expect(left.outputs[left.outputs.length - 1]?.exit?.code).toBe(left.exitCode);
      await expectSame(await unmoved());
    }, CONTRACT_TIMEOUT_MS * 2);

    it('gives the same outputs when it is moved at many moments, through the bytes of its snapshots', async () => {
      const rng = Xoshiro128.seeded(11);
      const run = await newRun();
      await run.start();
      while (run.moves < MOST_MOVES && !run.ended) {
        run.feed();
        // Every third stretch has no length: the program is stopped at the first safepoint that it reaches.
        if (run.moves % 3 !== 0) await stretch(rng);
        if (run.ended) break;
        await run.move();
        run.thread.resume();
      }
      run.feed();
      await run.untilEnd();
      await expectSame(run);
      expect(run.moves).toBeGreaterThanOrEqual(member.movesInside);
    }, CONTRACT_TIMEOUT_MS * 2);

    it('gives the same outputs when it is copied while it runs, where the runtime can do that', async () => {
      const rng = Xoshiro128.seeded(14);
      const run = await newRun();
      await run.start();
      if (!run.thread.image) return expect(member.rewrites ?? false).toBe(false);
      let dirty = 0;
      while (run.moves < LIVE_MOVES && !run.ended) {
        // A copy takes longer than most of these programs: without this they would end during the first.
        run.thread.setDuty(LIVE_DUTY);
        run.feed();
        const sent = await run.moveLive(2 + (run.moves % 2), () => (member.rewrites ? run.progress() : stretch(rng)));
        dirty += sent.slice(1).filter((bytes) => bytes > 0).length;
        run.thread.resume();
      }
      run.thread.setDuty(1);
      run.feed();
      await run.untilEnd();
      await expectSame(run);
      expect(run.moves).toBeGreaterThanOrEqual(member.rewrites ? LIVE_MOVES : 1);
      // Without a second round that found something, this test has shown nothing.
      if (member.rewrites) expect(dirty).toBeGreaterThanOrEqual(run.moves);
    }, CONTRACT_TIMEOUT_MS * 2);

    it('gives the same outputs when it is moved each time it waits for input', async () => {
      const run = await newRun();
      await run.start();
      for (const { seq } of member.inputs) {
        await run.move();
        run.thread.resume();
        run.feed(1);
        await run.until(() => run.consumed.includes(seq) || run.ended, `the consumption of record ${seq}`);
        if (run.ended) break;
      }
      await run.untilEnd();
      await expectSame(run);
    }, CONTRACT_TIMEOUT_MS * 2);

    it('goes on where it stood when it is frozen and resumed in place', async () => {
      const rng = Xoshiro128.seeded(12);
      const run = await newRun();
      await run.start();
      for (let i = 0; i < MOST_MOVES && !run.ended; i++) {
        run.feed();
        await stretch(rng);
        await run.freeze();
        run.thread.resume();
      }
      run.feed();
      await run.untilEnd();
      await expectSame(run);
    }, CONTRACT_TIMEOUT_MS * 2);

    it('stands still while it is frozen, whatever it is fed', async () => {
      const run = await newRun();
      await run.start();
      await run.freeze();
      const before = { outputs: run.outputs.length, consumed: run.consumed.length, polls: run.thread.sample().polls };
      run.feed();
      const first = bytesOf(granted(await run.thread.snapshot()));
      await stretch(Xoshiro128.seeded(13));
      expect({ outputs: run.outputs.length, consumed: run.consumed.length, polls: run.thread.sample().polls }).toEqual(before);
      expect(bytesOf(granted(await run.thread.snapshot()))).toBe(first);
    }, CONTRACT_TIMEOUT_MS);

    it('has a snapshot that is the same again when it is rebuilt from it', async () => {
      const run = await newRun();
      await run.start();
      run.feed(1);
      const taken = await run.move();
      expect(bytesOf(granted(await run.thread.snapshot()))).toBe(bytesOf(taken));
    }, CONTRACT_TIMEOUT_MS);

    it('refuses a snapshot that was cut, altered or taken from another program, and can still be rebuilt', async () => {
      const run = await newRun();
      await run.start();
      run.feed(1);
      await run.freeze();
      const good = throughBytes(granted(await run.thread.snapshot()));
      await run.thread.stop();
      const target = await run.prepare();
      for (const bad of spoiled(good)) {
        const answer = await target.restore(bad.snapshot);
        expect([bad.how, isRefusal(answer) ? answer.code : 'accepted']).toEqual([bad.how, 'snapshot-damaged']);
      }
      granted(await target.restore(good));
      target.resume();
      run.feed();
      await run.untilEnd();
      await expectSame(run);
    }, CONTRACT_TIMEOUT_MS * 2);
  });
}

/** Snapshots that are wrong in one way each. */
function spoiled(good: ThreadSnapshot): { how: string; snapshot: ThreadSnapshot }[] {
  const withSection = (at: number, change: (bytes: Uint8Array) => Uint8Array): ThreadSnapshot =>
    ({ ...good, sections: good.sections.map((s, i) => (i === at ? { name: s.name, bytes: change(new Uint8Array(s.bytes)) } : s)) });
  const flipped = (bytes: Uint8Array): Uint8Array => {
    bytes[bytes.length >> 1]! ^= 0x10;
    return bytes;
  };
  const perSection = good.sections.flatMap((section, i) => (section.bytes.length === 0 ? [] : [
    { how: `section ${section.name} altered`, snapshot: withSection(i, flipped) },
    { how: `section ${section.name} cut`, snapshot: withSection(i, (bytes) => bytes.subarray(0, bytes.length - 1)) },
    { how: `section ${section.name} missing`, snapshot: { ...good, sections: good.sections.filter((s) => s !== section) } },
  ]));
  return [
    ...perSection,
    { how: 'another program', snapshot: { ...good, program: '0'.repeat(64) as ThreadSnapshot['program'] } },
    { how: 'another runtime', snapshot: { ...good, runtime: good.runtime === 'process' ? 'task' : 'process' } },
    { how: 'another random state', snapshot: { ...good, random: flipped(new Uint8Array(good.random)) } },
  ];
}
