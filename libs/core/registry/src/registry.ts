/**
 * The fold of registration events. Pure: the same events in the same order give the same registry, so every service
 * may keep one. An event that does not fit the state (an unknown application, an occupied id) is refused and changes
 * nothing; what a single message alone can get wrong was refused before, in `wire`.
 */
import { refuse, type ApplicationId, type DeviceId, type Refusal, type ThreadId } from '@godwit/kernel';
import type { ApplicationSpec, DeviceSpec, LoadForecastSpec, MaintenanceSpec, RegistryEvent, ReservationSpec, ThreadSpec } from './specs.js';

export interface Registry {
  readonly devices: ReadonlyMap<DeviceId, DeviceSpec>;
  readonly applications: ReadonlyMap<ApplicationId, ApplicationSpec>;
  readonly threads: ReadonlyMap<ThreadId, ThreadSpec>;
  readonly reservations: ReadonlyMap<string, ReservationSpec>;
  readonly loadForecasts: ReadonlyMap<string, LoadForecastSpec>;
  readonly maintenance: ReadonlyMap<string, MaintenanceSpec>;
}

export const EMPTY_REGISTRY: Registry = {
  devices: new Map(), applications: new Map(), threads: new Map(), reservations: new Map(), loadForecasts: new Map(), maintenance: new Map(),
};

const set = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> => new Map(map).set(key, value);
const without = <K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> => {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
};

function checkThread(registry: Registry, spec: ThreadSpec): Refusal | undefined {
  const application = registry.applications.get(spec.application);
  if (!application) return refuse('not-found', `application ${spec.application} is not registered`, 'application');
  const present = registry.threads.get(spec.thread);
  if (present && (present.program !== spec.program || present.shard !== spec.shard || present.runtime !== spec.runtime)) {
    return refuse('conflict', `thread ${spec.thread} exists with another program, shard or runtime; remove it first`, 'thread');
  }
  for (const [i, producer] of spec.subscribes.entries()) {
    const other = registry.threads.get(producer);
    if (!other && producer !== spec.thread) return refuse('not-found', `thread ${producer} is not registered`, `subscribes.${i}`);
    if (other && other.shard !== spec.shard) {
      return refuse('invalid-field', `thread ${producer} lives in shard ${other.shard}; a thread reads outputs of its own shard only`, `subscribes.${i}`);
    }
  }
  const standby = spec.shadow?.device;
  if (standby !== undefined && !registry.devices.has(standby)) return refuse('not-found', `device ${standby} is not registered`, 'shadow.device');
  const widest = [...registry.devices.values()].reduce((most, d) => Math.max(most, d.memoryBytes), 0);
  if (registry.devices.size > 0 && spec.limits.memoryBytes > widest) {
    return refuse('no-capacity', `limits.memoryBytes ${spec.limits.memoryBytes} exceeds the memory of every device (at most ${widest})`, 'limits.memoryBytes');
  }
  return undefined;
}

/** What the event would make of the registry, or why not. `nowMs` is not needed: intervals are checked where they are used. */
export function applyEvent(registry: Registry, event: RegistryEvent): Registry | Refusal {
  switch (event.event) {
    case 'device-registered':
      return { ...registry, devices: set(registry.devices, event.spec.device, event.spec) };
    case 'application-registered':
      return { ...registry, applications: set(registry.applications, event.spec.application, event.spec) };
    case 'thread-registered':
      return checkThread(registry, event.spec) ?? { ...registry, threads: set(registry.threads, event.spec.thread, event.spec) };
    case 'device-removed':
      if (!registry.devices.has(event.id)) return refuse('not-found', `device ${event.id} is not registered`, 'device');
      return { ...registry, devices: without(registry.devices, event.id) };
    case 'thread-removed':
      return removeThread(registry, event.id);
    case 'reservation-registered':
      if (!registry.devices.has(event.spec.device)) return refuse('not-found', `device ${event.spec.device} is not registered`, 'device');
      return { ...registry, reservations: set(registry.reservations, event.spec.reservation, event.spec) };
    case 'load-forecast-registered':
      if (!registry.threads.has(event.spec.thread)) return refuse('not-found', `thread ${event.spec.thread} is not registered`, 'thread');
      return { ...registry, loadForecasts: set(registry.loadForecasts, event.spec.forecast, event.spec) };
    case 'maintenance-registered':
      if (!registry.devices.has(event.spec.device)) return refuse('not-found', `device ${event.spec.device} is not registered`, 'device');
      return { ...registry, maintenance: set(registry.maintenance, event.spec.maintenance, event.spec) };
  }
}

function removeThread(registry: Registry, thread: ThreadId): Registry | Refusal {
  if (!registry.threads.has(thread)) return refuse('not-found', `thread ${thread} is not registered`, 'thread');
  const reader = [...registry.threads.values()].find((t) => t.thread !== thread && t.subscribes.includes(thread));
  if (reader) return refuse('conflict', `thread ${reader.thread} subscribes to ${thread}; remove it first`, 'thread');
  return { ...registry, threads: without(registry.threads, thread) };
}

/** Threads that consume the outputs of `thread`, by declaration. */
export const subscribersOf = (registry: Registry, thread: ThreadId): ThreadId[] =>
  [...registry.threads.values()].filter((t) => t.subscribes.includes(thread)).map((t) => t.thread);
