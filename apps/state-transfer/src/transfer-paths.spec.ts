import { isRefusal, type DeviceId } from '@godwit/kernel';
import { createLog } from '@godwit/shell';
import { encodeSamples, leaseCodec, SUBJECTS, type PathReply } from '@godwit/wire';
import { d1, d2, HandClock, registryOf } from './rig.fixture.js';
import { TransferPaths, UNMEASURED_BYTES_PER_SECOND } from './transfer-paths.js';

function rig(places: Parameters<typeof registryOf>[1] = { d1: { pop: 'p', rack: 'r1' }, d2: { pop: 'p', rack: 'r2' } }) {
  const clock = new HandClock();
  const paths = new TransferPaths({ clock, log: createLog('spec', 'silent'), registry: () => registryOf({}, places), transfersPerLink: 2 });
  return {
    clock, paths,
    lease: (device: DeviceId, bootId: string) => paths.takeLease({ type: 'held', device, atMs: 0, info: leaseCodec.encode({ device, bootId, instance: 'i', renewedAtMs: 0, bulkHost: 'h', bulkPort: 1 }) }),
    measured: (from: DeviceId, to: DeviceId, ...values: number[]) => paths.takeSamples(SUBJECTS.metrics(from), encodeSamples({ device: from, sequence: 0, atMs: values.map((_, i) => i), absences: [], columns: [{ metric: `link.${to}.bytes_per_second`, thread: '', values }] })),
    plan: (sizeBytes = 1_000_000, source = d1, target = d2): PathReply => {
      const reply = paths.plan({ source, target, sizeBytes });
      if (isRefusal(reply)) throw new Error(reply.reason);
      return reply;
    },
  };
}

describe('the path of a transfer', () => {
  it.each([
    ['same-host', 'boot-1', 'boot-1', 'r2'], ['routed', 'boot-1', 'boot-2', 'r2'], ['same-rack', 'boot-1', 'boot-2', 'r1'], ['routed', 'unknown', 'unknown', 'r2'],
  ])('is %s for boots %s and %s, the target in rack %s', (path, one, two, rack) => {
    const { lease, plan } = rig({ d1: { pop: 'p', rack: 'r1' }, d2: { pop: 'p', rack } });
    lease(d1, one);
    lease(d2, two);
    expect(plan().path).toBe(path);
  });
  it('is routed between racks of one name in two places, where no rack is given, and when a lease has ended', () => {
    expect(rig({ d1: { pop: 'p', rack: 'r1' }, d2: { pop: 'q', rack: 'r1' } }).plan().path).toBe('routed');
    expect(rig({ d1: {}, d2: {} }).plan().path).toBe('routed');
    const { lease, paths, plan } = rig();
    lease(d1, 'boot');
    lease(d2, 'boot');
    paths.takeLease({ type: 'ended', device: d2, reason: 'expired' });
    expect(plan().path).toBe('routed');
  });
});

describe('the time of a transfer', () => {
  it('follows from the size and the measured throughput, of either end, or a gigabit a second', () => {
    const { measured, plan, clock } = rig();
    expect(plan(UNMEASURED_BYTES_PER_SECOND)).toMatchObject({ expectedMs: 1_000, waitMs: 0, limitBytesPerSecond: UNMEASURED_BYTES_PER_SECOND });
    clock.atMs += 1_000;
    measured(d2, d1, 2_000_000);
    expect(plan(1_000_000).expectedMs).toBe(500);
    clock.atMs += 1_000;
    measured(d1, d2, 4_000_000, NaN, 0);
    expect(plan(1_000_000).expectedMs).toBe(250);
  });
  it('is shared by those at once, and who comes in excess waits for the first to end', () => {
    const { measured, plan, clock } = rig();
    measured(d1, d2, 1_000_000);
    expect(plan()).toMatchObject({ waitMs: 0, expectedMs: 1_000 });
    expect(plan()).toMatchObject({ waitMs: 0, expectedMs: 2_000, limitBytesPerSecond: 500_000 });
    expect(plan()).toMatchObject({ waitMs: 1_000, expectedMs: 2_000 });
    expect(plan()).toMatchObject({ waitMs: 2_000 });
    expect(plan(1_000_000, d2, d1)).toMatchObject({ waitMs: 0 });
    clock.atMs += 60_000;
    expect(plan()).toMatchObject({ waitMs: 0, expectedMs: 1_000 });
  });
  it('is not limited within one host', () => {
    const { lease, plan } = rig();
    lease(d1, 'boot');
    lease(d2, 'boot');
    expect(plan()).toMatchObject({ path: 'same-host', limitBytesPerSecond: 0 });
  });
});

describe('what is wrong', () => {
  it('is refused by field, or counted', () => {
    const { paths, measured } = rig();
    expect(paths.plan({ source: d1, target: d1, sizeBytes: 1 })).toMatchObject({ refused: true, field: 'target' });
    expect(paths.plan({ source: d1, target: 'd9' as DeviceId, sizeBytes: 1 })).toMatchObject({ code: 'not-found', field: 'target' });
    paths.takeSamples(SUBJECTS.metrics(d1), Uint8Array.of(255, 255));
    paths.takeSamples(SUBJECTS.metrics(d2), encodeSamples({ device: d1, sequence: 0, atMs: [1], columns: [], absences: [] }));
    paths.takeLease({ type: 'held', device: d1, atMs: 0, info: Uint8Array.of(255) });
    measured('stranger' as DeviceId, d1, 5);
    expect(paths.malformed.count).toBe(3);
  });
});
