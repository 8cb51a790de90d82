import { LEVELS } from '@godwit/forecasting';
import { Xoshiro128, type Rng } from '@godwit/kernel';
import fc from 'fast-check';
import { Behaviour, MOST_PHASES } from './index.js';
import { between, runProgram, type ProgramPhase, type ProgramStep } from './program.fixture.js';

const parse: ProgramPhase = { sites: { 'loop:parse/3': 4_000, 'wasi:fd_read': 200 }, demand: 0.3, demandNoise: 0.02, lasts: between(20, 40) };
const solve: ProgramPhase = { sites: { 'loop:solve/1': 90_000, 'call:norm': 3_000 }, demand: 0.9, demandNoise: 0.03, lasts: between(15, 30) };
const write: ProgramPhase = { sites: { 'loop:encode/2': 900, 'wasi:fd_write': 500 }, demand: 0.1, demandNoise: 0.01, lasts: between(8, 16) };
const THREE = [parse, solve, write];

const feed = (behaviour: Behaviour, { counters, demand }: ProgramStep): void => behaviour.observe({ counters, spanMs: 1_000, demand });
const fresh = (): Behaviour => new Behaviour({ levels: LEVELS });
const walk = (trail: readonly ProgramStep[]): Behaviour => {
  const behaviour = fresh();
  for (const step of trail) feed(behaviour, step);
  return behaviour;
};

/** Share of steps in which the phase found is the one that it mostly stands for. */
function accuracy(trail: readonly ProgramStep[], warmUpSteps: number): { share: number; behaviour: Behaviour } {
  const behaviour = fresh();
  const pairs = new Map<number, Map<number, number>>();
  trail.forEach((step, t) => {
    feed(behaviour, step);
    if (t < warmUpSteps) return;
    const found = behaviour.estimate()!.phase;
    const truths = pairs.get(found) ?? new Map<number, number>();
    truths.set(step.truth, (truths.get(step.truth) ?? 0) + 1);
    pairs.set(found, truths);
  });
  const right = [...pairs.values()].reduce((sum, truths) => sum + Math.max(...truths.values()), 0);
  return { share: right / (trail.length - warmUpSteps), behaviour };
}

const pinball = (levels: readonly number[], quantiles: ArrayLike<number>, at: number, value: number): number =>
  levels.reduce((sum, level, j) => sum + Math.max(level * (value - quantiles[at + j]!), (level - 1) * (value - quantiles[at + j]!)), 0);

describe('the phases of a thread', () => {
  it.each([1, 2, 3, 4, 5])('are those of a three-phase program, over 95 %% of the steps after the warm-up (seed %p)', (seed) => {
    const { share, behaviour } = accuracy(runProgram(Xoshiro128.seeded(seed), THREE, 1_200), 200);
    expect(share).toBeGreaterThan(0.95);
    expect(behaviour.count).toBe(3);
  });

  it('are three too where they follow each other by chance', () => {
    const { share, behaviour } = accuracy(runProgram(Xoshiro128.seeded(7), THREE, 1_500, (phase, rng) => (phase + 1 + (rng.nextUint32() % 2)) % 3), 250);
    expect(share).toBeGreaterThan(0.95);
    expect(behaviour.count).toBe(3);
  });

  it('are told apart by their rate alone, and by their composition alone', () => {
    const slow = { ...parse, sites: { 'loop:a': 300, 'loop:b': 300 } };
    for (const sites of [{ 'loop:a': 3_000, 'loop:b': 3_000 }, { 'loop:a': 540, 'loop:b': 60 }]) {
      const { share, behaviour } = accuracy(runProgram(Xoshiro128.seeded(3), [slow, { ...solve, sites }], 1_000), 200);
      expect(share).toBeGreaterThan(0.95);
      expect(behaviour.count).toBe(2);
    }
  });

  it('include a short spike that comes again and again, and idleness', () => {
    const idle: ProgramPhase = { sites: {}, demand: 0, demandNoise: 0, lasts: () => 18 };
    const spike: ProgramPhase = { ...solve, lasts: () => 2 };
    const { share, behaviour } = accuracy(runProgram(Xoshiro128.seeded(5), [idle, spike], 600), 150);
    expect(share).toBeGreaterThan(0.95);
    expect(behaviour.count).toBe(2);
    expect(['idle', 'loop:solve/1']).toContain(behaviour.estimate()!.label);
  });

  it.each<[string, (rng: Rng) => Record<string, number>]>([
    ['of a steady rate', () => ({ 'loop:main': 50_000, 'wasi:fd_write': 20 })],
    ['of few records a second', () => ({ 'kind:order': 5, ticks: 1 })],
    ['whose rate wavers by a third', (rng) => ({ 'loop:main': 20_000 * (0.67 + 0.66 * rng.next()) })],
    ['whose mixture of messages wavers', (rng) => { const share = 0.3 + 0.4 * rng.next(); return { 'kind:a': 200 * share, 'kind:b': 200 * (1 - share) }; }],
    ['that does nothing', () => ({})],
  ])('are one in a program %s', (_, sites) => {
    for (const seed of [1, 2, 3]) {
      const rng = Xoshiro128.seeded(seed);
      const behaviour = fresh();
      for (let t = 0; t < 800; t++) feed(behaviour, runProgram(rng, [{ ...parse, sites: sites(rng) }], 1)[0]!);
      expect(behaviour.count).toBe(1);
      expect(behaviour.estimate()).toMatchObject({ phase: 0, count: 1 });
      expect(behaviour.estimate()).not.toHaveProperty('next');
      expect(behaviour.demandPath(30)).toBeUndefined();
    }
  });

  it('stay one while the program grows slowly', () => {
    const rng = Xoshiro128.seeded(2);
    const behaviour = fresh();
    for (let t = 0; t < 4_000; t++) feed(behaviour, runProgram(rng, [{ ...parse, sites: { 'loop:main': 1_000 * 2 ** (t / 1_000) } }], 1)[0]!);
    expect(behaviour.count).toBe(1);
  });

  it('carry the name of what dominates them, with the rate where that tells them apart', () => {
    const behaviour = walk(runProgram(Xoshiro128.seeded(1), [{ ...parse, lasts: () => 20 }, { ...solve, lasts: () => 20 }], 210));
    expect(behaviour.estimate()).toMatchObject({ label: 'loop:parse/3', next: { label: 'loop:solve/1' } });
    const rates = walk(runProgram(Xoshiro128.seeded(1), [{ ...parse, sites: { ticks: 100 } }, { ...parse, sites: { ticks: 10_000 } }], 300));
    expect(rates.estimate()!.label).toMatch(/^ticks at (1\.0e[24]|100|99)\/s$/);
  });
});

describe('the next phase', () => {
  const clockwork = [{ ...parse, lasts: () => 30 }, { ...solve, lasts: () => 30 }];

  it('is expected ahead of a periodic switch, with a time that comes nearer', () => {
    const trail = runProgram(Xoshiro128.seeded(1), clockwork, 660);
    const behaviour = walk(trail.slice(0, 610));
    const early = behaviour.estimate()!.next!;
    for (const step of trail.slice(610, 625)) feed(behaviour, step);
    const late = behaviour.estimate()!.next!;
    expect(early).toMatchObject({ label: 'loop:solve/1', probability: expect.closeTo(1, 1) });
    expect(early.inSteps.p50).toBeGreaterThanOrEqual(18);
    expect(early.inSteps.p50).toBeLessThanOrEqual(22);
    expect(early.inSteps.p50! - late.inSteps.p50!).toBeGreaterThanOrEqual(13);
    expect(late.inSteps.p10!).toBeLessThanOrEqual(late.inSteps.p50!);
    expect(late.inSteps.p90!).toBeGreaterThanOrEqual(late.inSteps.p50!);
  });

  it('gives a demand forecast whose pinball loss around the switches is far below that of the last value', () => {
    const trail = runProgram(Xoshiro128.seeded(4), clockwork, 900);
    const behaviour = fresh();
    const width = LEVELS.length;
    const leads = [1, 5, 10, 20, 40];
    let [own, naive] = [0, 0];
    trail.forEach((step, t) => {
      feed(behaviour, step);
      if (t < 300 || t + 40 >= trail.length) return;
      const path = behaviour.demandPath(40)!;
      for (const lead of leads) {
        const { demand } = trail[t + lead]!;
        own += pinball(LEVELS, path, (lead - 1) * width, demand);
        naive += pinball(LEVELS, LEVELS.map(() => step.demand), 0, demand);
      }
    });
    expect(own).toBeLessThan(0.3 * naive);
  });

  it('gives paths that are finite, never negative and never cross, of any length', () => {
    const behaviour = walk(runProgram(Xoshiro128.seeded(9), THREE, 500));
    for (const steps of [1, 60, 128, 300]) {
      const path = behaviour.demandPath(steps)!;
      expect(path.length).toBe(steps * LEVELS.length);
      path.forEach((value, i) => {
        expect(Number.isFinite(value) && value >= 0).toBe(true);
        if (i % LEVELS.length > 0) expect(value).toBeGreaterThanOrEqual(path[i - 1]!);
      });
    }
  });

  it('keeps constant demands apart: no quantile between two phases that never were between', () => {
    const flat = (demand: number, sites: Record<string, number>): ProgramPhase => ({ sites, demand, demandNoise: 0, lasts: () => 25 });
    const path = walk(runProgram(Xoshiro128.seeded(1), [flat(0.2, { a: 500 }), flat(0.8, { b: 500 })], 510)).demandPath(25)!;
    for (const value of path) expect(Math.min(Math.abs(value - 0.2), Math.abs(value - 0.8))).toBeLessThan(1e-9);
  });

  it('is not expected with certainty where dwells are by chance', () => {
    const memoryless = { lasts: (rng: Rng): number => 1 + Math.floor(-40 * Math.log(1 - rng.next())) };
    const behaviour = walk(runProgram(Xoshiro128.seeded(6), [{ ...parse, ...memoryless }, { ...solve, ...memoryless }], 3_000));
    const { p10, p90 } = behaviour.estimate()!.next!.inSteps;
    expect((p90 ?? Infinity) / p10!).toBeGreaterThan(4);
  });
});

describe('what breaks if', () => {
  it('one odd step comes: nothing changes', () => {
    const trail = runProgram(Xoshiro128.seeded(1), [{ ...parse, lasts: () => 30 }, { ...solve, lasts: () => 30 }], 610);
    const behaviour = walk(trail);
    const before = behaviour.estimate()!;
    behaviour.observe({ counters: [{ name: 'never-seen', count: 1e6 }], spanMs: 1_000, demand: 50 });
    expect(behaviour.estimate()).toMatchObject({ phase: before.phase, count: before.count, ageSteps: before.ageSteps + 1 });
    expect(Math.max(...behaviour.demandPath(60)!)).toBeLessThan(2);
  });

  it('steps have no trace: the phase ages, and its end is expected all the same', () => {
    const trail = runProgram(Xoshiro128.seeded(1), [{ ...parse, lasts: () => 30 }, { ...solve, lasts: () => 30 }], 605);
    const [watched, blind] = [walk(trail), walk(trail)];
    blind.skip(20);
    const [sooner, later] = [blind.estimate()!.next!.inSteps.p50!, watched.estimate()!.next!.inSteps.p50!];
    expect(later - sooner).toBeGreaterThanOrEqual(15);
    blind.skip(100_000);
    expect(blind.estimate()!.probability).toBeGreaterThanOrEqual(0);
  });

  it('ten thousand names come: phases and memory stay bounded', () => {
    const rng = Xoshiro128.seeded(1);
    const behaviour = fresh();
    for (let t = 0; t < 600; t++) {
      const counters = Array.from({ length: 20 }, () => ({ name: `site:${rng.nextUint32() % 10_000}`, count: 1 + (rng.nextUint32() % 100) }));
      behaviour.observe({ counters, spanMs: 1_000, demand: 1 });
    }
    expect(behaviour.count).toBeLessThanOrEqual(MOST_PHASES);
  });

  it('twenty phases come in turn: at most eight are kept, and the one at hand is known', () => {
    const many = Array.from({ length: 20 }, (_, i): ProgramPhase => ({ sites: { [`loop:${i}`]: 2_000 }, demand: i, demandNoise: 0.01, lasts: () => 12 }));
    const behaviour = walk(runProgram(Xoshiro128.seeded(2), many, 20 * 12 * 4));
    expect(behaviour.count).toBeLessThanOrEqual(MOST_PHASES);
    expect(behaviour.estimate()).toMatchObject({ label: 'loop:19' });
  });

  it('a program is replaced by another: its old names make room', () => {
    const behaviour = fresh();
    const rng = Xoshiro128.seeded(3);
    for (let generation = 0; generation < 6; generation++) {
      const sites = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`g${generation}:${i}`, 300 * (i + 1)]));
      for (const step of runProgram(rng, [{ ...parse, sites }], 700)) feed(behaviour, step);
    }
    expect(behaviour.estimate()!.label).toMatch(/^g5:11/);
  });

  it('the input is rubbish: estimates stay numbers, and the same input gives the same answers', () => {
    const number = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -1, 0, 1e308));
    const step = fc.record({ counters: fc.array(fc.record({ name: fc.string({ maxLength: 200 }), count: number }), { maxLength: 40 }), spanMs: number, demand: fc.option(number, { nil: undefined }) });
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const run = (): unknown => {
        const behaviour = fresh();
        for (const one of steps) behaviour.observe(one);
        return { estimate: behaviour.estimate(), path: behaviour.demandPath(10) };
      };
      const first = run() as { estimate?: { probability: number }; path?: Float64Array };
      expect(run()).toEqual(first);
      if (first.estimate) expect(first.estimate.probability).toBeGreaterThanOrEqual(0);
      first.path?.forEach((value) => expect(Number.isFinite(value)).toBe(true));
    }), { numRuns: 200 });
  });
});
