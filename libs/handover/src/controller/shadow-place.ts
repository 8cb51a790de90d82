/** Where a thread's shadow goes. Pure: the same picture gives the same device. */
import { refuse, type DeviceId, type Refusal } from '@godwit/kernel';
import type { ClusterSnapshot, DeviceView } from '@godwit/decision';
import type { ThreadSpec } from '@godwit/registry';

export interface ShadowPlaces {
  readonly snapshot: Pick<ClusterSnapshot, 'devices' | 'threads'>;
  readonly owner: DeviceId;
  /** What the shadows of other threads may take on a device, bytes. */
  readonly shadowBytesOn: (device: DeviceId) => number;
  /** Devices that have just declined. */
  readonly declined: ReadonlySet<DeviceId>;
}

/** A device that is likelier to fail than this is no place to be safe at. */
const FAILING = 0.5;

/** Why the device cannot hold the thread's shadow; undefined where it can. */
export function whyNotShadow(spec: ThreadSpec, { spec: device, alive, draining, memoryUsedBytes }: DeviceView, { owner, snapshot, shadowBytesOn }: ShadowPlaces): string | undefined {
  const { affinity, shadow, limits } = spec;
  const id = device.device;
  if (id === owner) return `${id} owns it`;
  if (shadow?.placement === 'named' && shadow.device !== id) return `${id} is not the one that was named`;
  if (!alive) return `${id} does not answer`;
  if (draining) return `${id} is being drained`;
  if (!device.runtimes.includes(spec.runtime)) return `${id} does not offer the runtime ${spec.runtime}`;
  if ((affinity.devices.length > 0 && !affinity.devices.includes(id)) || affinity.avoidDevices.includes(id)) return `the thread's hints forbid ${id}`;
  if (snapshot.threads.some((other) => other.device === id && affinity.apartFromThreads.includes(other.spec.thread))) return `a thread that it must stay apart from is on ${id}`;
  if (memoryUsedBytes + shadowBytesOn(id) + limits.memoryBytes > device.memoryBytes) return `${id} has no room for ${limits.memoryBytes} bytes more`;
  return undefined;
}

/** The best device for the thread's shadow, by its placement; refused with what stands in the way of each. */
export function placeShadow(spec: ThreadSpec, places: ShadowPlaces): DeviceId | Refusal {
  const { snapshot: { devices }, owner, declined, shadowBytesOn } = places;
  const ownerPlace = devices.find((device) => device.spec.device === owner)?.spec.place;
  const reasons: string[] = [];
  const fit = devices.filter((device) => {
    const why = declined.has(device.spec.device) ? `${device.spec.device} has just declined` : whyNotShadow(spec, device, places);
    if (why) reasons.push(why);
    return why === undefined;
  });
  const sameRack = ({ spec: { place } }: DeviceView): number => (ownerPlace && place.pop === ownerPlace.pop && place.rack === ownerPlace.rack ? 1 : 0);
  const price = ({ spec: { pricePerHour } }: DeviceView): number => pricePerHour;
  const order = (device: DeviceView): readonly (number | string)[] => [
    device.failureProbability > FAILING ? 1 : 0,
    ...(spec.shadow?.placement === 'cheapest' ? [price(device), sameRack(device)] : [sameRack(device), price(device)]),
    (device.memoryUsedBytes + shadowBytesOn(device.spec.device)) / device.spec.memoryBytes, device.spec.device,
  ];
  const [best] = fit.sort((a, b) => compare(order(a), order(b)));
  return best ? best.spec.device : refuse('no-capacity', `no device can hold a shadow of ${spec.thread}: ${reasons.join('; ') || 'there is no other'}`, 'shadow');
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  const differs = a.findIndex((value, i) => value !== b[i]);
  return differs < 0 ? 0 : a[differs]! < b[differs]! ? -1 : 1;
}

