/** The devices of one machine: what they are by default, and what a given list may be. */
import { availableParallelism } from 'node:os';
import { isRefusal, refuse, type DeviceId, type Refusal } from '@godwit/kernel';
import type { DeviceSpec } from '@godwit/registry';
import { deviceSpecCodec } from '@godwit/wire';

const GIB = 1024 ** 3;

interface Difference {
  readonly cpuCores: number;
  readonly rack: string;
  readonly subnet: string;
  readonly pricePerHour: number;
  readonly idleWatts: number;
  readonly busyWatts: number;
}
const device = (id: string, { rack, subnet, ...rest }: Difference): DeviceSpec => ({
  device: id as DeviceId, kind: 'cpu', memoryBytes: 2 * GIB, place: { pop: 'local', rack, subnet }, numaNodes: 1, runtimes: ['wasm', 'task'], labels: {}, ...rest,
});

/** Three devices that differ in size, place, price and power, so that there is something to decide. */
export const DEFAULT_DEVICES: readonly DeviceSpec[] = [
  device('d-small', { cpuCores: 0.3, rack: 'r1', subnet: '10.0.1.0/24', pricePerHour: 0.02, idleWatts: 4, busyWatts: 9 }),
  device('d-medium', { cpuCores: 0.35, rack: 'r1', subnet: '10.0.1.0/24', pricePerHour: 0.04, idleWatts: 6, busyWatts: 14 }),
  device('d-large', { cpuCores: 0.55, rack: 'r2', subnet: '10.0.2.0/24', pricePerHour: 0.09, idleWatts: 10, busyWatts: 24 }),
];

export const MAX_LOCAL_DEVICES = 16;
/** Of a small machine, local devices may claim so many cores together. */
const SMALL_MACHINE_CORES = 1.2;
/** Of a larger one, all but these, which the services need. */
const SERVICES_CORES = 0.8;

export const claimableCores = (machineCores: number = availableParallelism()): number => Math.max(SMALL_MACHINE_CORES, machineCores - SERVICES_CORES);

/**
 * Reads a list of devices as `--devices` gives it: an array in the JSON form of `device-registered`.
 * @param machineCores cores of this machine. @returns the devices, or a Refusal that names the field, as in `devices.1.cpuCores`.
 */
export function parseDevices(given: unknown, machineCores?: number): readonly DeviceSpec[] | Refusal {
  if (!Array.isArray(given) || given.length === 0) return refuse('invalid-field', 'devices: must be a list of at least one device', 'devices');
  if (given.length > MAX_LOCAL_DEVICES) return refuse('invalid-field', `devices: one machine takes at most ${MAX_LOCAL_DEVICES}, given are ${given.length}`, 'devices');
  const specs: DeviceSpec[] = [];
  for (const [index, entry] of given.entries()) {
    const spec = deviceSpecCodec.fromJson(entry);
    if (isRefusal(spec)) {
      const field = spec.field === undefined ? `devices.${index}` : `devices.${index}.${spec.field}`;
      return refuse(spec.code, `${field}: ${spec.reason}`, field);
    }
    if (specs.some((other) => other.device === spec.device)) return refuse('invalid-field', `devices.${index}.device: ${spec.device} stands twice`, `devices.${index}.device`);
    specs.push(spec);
  }
  const most = claimableCores(machineCores);
  const claimed = specs.reduce((sum, spec) => sum + spec.cpuCores, 0);
  // A sum of tenths is seldom exact.
  if (claimed > most + 1e-9) return refuse('no-capacity', `devices: together they claim ${claimed.toFixed(2)} cores; this machine can give ${most.toFixed(2)} and run the services too`, 'devices');
  return specs;
}
