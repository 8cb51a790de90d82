import { shardId } from '@godwit/kernel';
import { createLog } from '@godwit/shell';
import { ReleasedMarks } from './released-marks.js';
import { HandClock, registryOf, SHARD } from './rig.fixture.js';

describe('the gateway’s marks', () => {
  it('are the newest decimal sequence of each shard, and nothing else', () => {
    const marks = new ReleasedMarks({ registry: () => registryOf({ a: [] }), log: createLog('spec', 'silent'), clock: new HandClock() });
    const say = (text: string, shard = 's'): void => marks.take(`godwit.released.${shard}`, Buffer.from(text));
    expect(marks.of(SHARD)).toBeUndefined();
    say('17');
    for (const rubbish of ['', '-1', '1.5', '1e9', ' 18', '0x20', '9999999999999999', 'x'.repeat(1_000_000)]) say(rubbish);
    expect(marks.of(SHARD)).toBe(17);
    expect(marks.malformed.count).toBe(8);
    say('12');
    expect(marks.of(SHARD)).toBe(12);
    say('5', 'nobody');
    expect(marks.of(shardId('nobody'))).toBeUndefined();
  });
});
