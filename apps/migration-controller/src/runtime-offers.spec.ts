import type { DeviceId } from '@godwit/kernel';
import type { DeviceSpec, Runtime } from '@godwit/registry';
import { leaseCodec, type Lease } from '@godwit/wire';
import { refuseUnoffered, withOffered } from './runtime-offers.js';

const device = (id: string, runtimes: readonly Runtime[]): DeviceSpec => ({
  device: id as DeviceId, kind: 'cpu', cpuCores: 1, memoryBytes: 2 ** 30, place: { pop: 'p', rack: 'r', subnet: 's' }, pricePerHour: 0, idleWatts: 0, busyWatts: 0, numaNodes: 1, runtimes, labels: {},
});
const lease = (id: string, reason?: string): Lease => ({
  device: id as DeviceId, bootId: 'b', instance: 'i', renewedAtMs: 0, bulkHost: 'h', bulkPort: 1, ...(reason ? { missingRuntimes: [{ runtime: 'process', reason }] } : {}),
});
const devices = (...all: DeviceSpec[]) => new Map(all.map((spec) => [spec.device, spec]));
const leases = (...all: Lease[]) => new Map(all.map((one) => [one.device, one]));

describe('the runtimes that devices offer', () => {
  it('are those of the registration, unless the agent says that it cannot', () => {
    const spec = device('d-1', ['wasm', 'process']);
    expect(withOffered(spec, lease('d-1')).runtimes).toEqual(['wasm', 'process']);
    expect(withOffered(spec, undefined).runtimes).toEqual(['wasm', 'process']);
    expect(withOffered(spec, lease('d-1', 'no criu')).runtimes).toEqual(['wasm']);
  });
  it('suffice when one device offers them', () => {
    expect(refuseUnoffered('process', devices(device('d-1', ['process']), device('d-2', ['process'])), leases(lease('d-1', 'no criu'), lease('d-2')))).toBeUndefined();
    expect(refuseUnoffered('process', devices(), leases())).toBeUndefined();
  });
  it('are missed with every device’s reason', () => {
    const refusal = refuseUnoffered('process', devices(device('d-1', ['process']), device('d-2', ['wasm'])), leases(lease('d-1', 'CAP_SYS_ADMIN is missing'), lease('d-2')));
    expect(refusal).toMatchObject({ code: 'unsupported', field: 'runtime', reason: expect.stringMatching(/d-1: CAP_SYS_ADMIN is missing/) });
    expect(refuseUnoffered('process', devices(device('d-2', ['wasm'])), leases())).toMatchObject({ reason: expect.stringMatching(/no registered device names it/) });
  });
  it('travel in the lease', () => {
    expect(leaseCodec.decode(leaseCodec.encode(lease('d-1', 'no criu')))).toMatchObject({ missingRuntimes: [{ runtime: 'process', reason: 'no criu' }] });
    expect(leaseCodec.decode(leaseCodec.encode(lease('d-1')))).toMatchObject({ device: 'd-1' });
  });
});
