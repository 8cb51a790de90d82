import { LEVELS, MODELS, Series } from '@godwit/forecasting';
import { Xoshiro128 } from '@godwit/kernel';
import { Behaviour, PhaseMember } from './index.js';
import { runProgram, type ProgramPhase } from './program.fixture.js';

const phase = (name: string, demand: number, lasts: number): ProgramPhase => ({ sites: { [name]: 5_000 }, demand, demandNoise: 0.02, lasts: () => lasts });
const T = 1_700_000_000_000;

/** Runs a series with behaviour as a member and one without; answers the last forecasts at each step, and their summed pinball losses. */
function sideBySide(trail: ReturnType<typeof runProgram>, fromStep: number) {
  const options = { resource: 'cpu.demand_cores', unit: 'cores', floor: 0 };
  const [member, behaviour] = [new PhaseMember(LEVELS.length), new Behaviour({ levels: LEVELS })];
  const withPhases = new Series({ ...options, models: [...MODELS, member.definition] });
  const without = new Series(options);
  let [own, plain] = [0, 0];
  let weight = 0;
  trail.forEach(({ counters, demand }, t) => {
    for (const series of [withPhases, without]) series.observe(demand, T + t * 1_000 + 500);
    behaviour.observe({ counters, spanMs: 1_000, demand });
    member.stepped(behaviour, 40);
    const [a, b] = [withPhases, without].map((series) => series.forecast(T + (t + 1) * 1_000, 40_000)!);
    weight = a!.models.find(({ name }) => name === 'behaviour')?.weight ?? 0;
    if (t < fromStep || t + 40 >= trail.length) return;
    for (const lead of [5, 10, 20, 40]) {
      const truth = trail[t + lead]!.demand;
      LEVELS.forEach((level, j) => {
        const loss = (value: number): number => Math.max(level * (truth - value), (level - 1) * (truth - value));
        own += loss(a!.values[(lead - 1) * LEVELS.length + j]!);
        plain += loss(b!.values[(lead - 1) * LEVELS.length + j]!);
      });
    }
  });
  return { own, plain, weight };
}

describe('behaviour as a member of the bank', () => {
  it('gains weight and takes from the loss of the whole bank where demand follows phases that traces tell', () => {
    // Phases of unequal and varying length: no season that the bank could find by itself.
    const rng = Xoshiro128.seeded(3);
    const trail = runProgram(rng, [{ ...phase('load', 0.2, 0), lasts: () => 14 }, phase('solve', 0.9, 23), phase('save', 0.4, 9)], 900, (now, chance) => (now + 1 + (chance.nextUint32() % 2)) % 3);
    const { own, plain, weight } = sideBySide(trail, 400);
    expect(weight).toBeGreaterThan(0.3);
    expect(own).toBeLessThan(0.85 * plain);
  }, 180_000);

  it('changes nothing in a program of one phase', () => {
    const { own, plain, weight } = sideBySide(runProgram(Xoshiro128.seeded(4), [phase('work', 0.5, 100)], 400), 100);
    expect(weight).toBe(0);
    expect(own).toBeCloseTo(plain, 6);
  }, 180_000);
});
