/** Which devices offer a runtime: those whose registration names it, unless their agent has said that it cannot. */
import { refuse, type DeviceId, type Refusal } from '@godwit/kernel';
import type { DeviceSpec, Runtime } from '@godwit/registry';
import type { Lease } from '@godwit/wire';

const missingOn = (lease: Lease | undefined, runtime: Runtime): string | undefined => lease?.missingRuntimes?.find((missing) => missing.runtime === runtime)?.reason;

/** The device as it can be used. */
export function withOffered(spec: DeviceSpec, lease: Lease | undefined): DeviceSpec {
  const runtimes = spec.runtimes.filter((runtime) => missingOn(lease, runtime) === undefined);
  return runtimes.length === spec.runtimes.length ? spec : { ...spec, runtimes };
}

/** Why no device would take a thread of this runtime; undefined when one would, and before the first device is known. */
export function refuseUnoffered(runtime: Runtime, devices: ReadonlyMap<DeviceId, DeviceSpec>, leases: ReadonlyMap<DeviceId, Lease>): Refusal | undefined {
  const all = [...devices.values()];
  if (all.length === 0 || all.some((spec) => withOffered(spec, leases.get(spec.device)).runtimes.includes(runtime))) return undefined;
  const reasons = all.map(({ device }) => ({ device, reason: missingOn(leases.get(device), runtime) })).filter(({ reason }) => reason !== undefined);
  const why = reasons.length === 0 ? 'no registered device names it among its runtimes' : reasons.map(({ device, reason }) => `${device}: ${reason}`).join('; ');
  return refuse('unsupported', `no device offers the runtime ${runtime}: ${why}`.slice(0, 4_000), 'runtime');
}
