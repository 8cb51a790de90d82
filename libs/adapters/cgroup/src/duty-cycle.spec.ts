import { describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { DutyCycle } from './index.js';

function opened(cores: number): DutyCycle {
  const enforcer = DutyCycle.open({ cores, reason: 'read-only' });
  if (isRefusal(enforcer)) throw new Error(enforcer.reason);
  return enforcer;
}

const busy = (id: string) => ({ id, demandCores: 1, weight: 100, maxCores: 4 });

describe('DutyCycle', () => {
  it('gives each thread its fair share of the capacity, at most one core', () => {
    const enforcer = opened(0.5);
    expect([...enforcer.ratios([busy('a'), busy('b')])]).toEqual([['a', 0.25], ['b', 0.25]]);
    enforcer.setCores(8);
    expect([...enforcer.ratios([busy('a'), busy('b')])]).toEqual([['a', 1], ['b', 1]]);
  });

  it('keeps its capacity when a bad one is refused', () => {
    const enforcer = opened(0.5);
    expect(enforcer.setCores(-1)).toMatchObject({ refused: true, field: 'cores' });
    expect(enforcer.ratios([busy('a')]).get('a')).toBe(0.5);
    expect(DutyCycle.open({ cores: 0, reason: '' })).toMatchObject({ refused: true, field: 'cores' });
  });

  it('knows whom it holds', () => {
    const enforcer = opened(1);
    enforcer.admit(7);
    expect(enforcer.holds(7)).toBe(true);
    enforcer.release(7);
    expect(enforcer.holds(7)).toBe(false);
  });

  it('says for each knob why it is lacking', () => {
    const enforcer = opened(1);
    expect(enforcer.knobs()).toHaveLength(5);
    expect(enforcer.knobs().every((knob) => !knob.available && knob.reason === 'read-only')).toBe(true);
    expect(enforcer.setWeight()).toMatchObject({ code: 'unsupported', reason: 'cpu.weight: read-only' });
    expect(enforcer.readThrottled()).toBeUndefined();
  });
});
