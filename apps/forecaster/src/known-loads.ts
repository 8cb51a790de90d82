/** What the registry says will come: reservations of devices, and load forecasts of threads. */
import type { DeviceId, InstantMs, ThreadId } from '@godwit/kernel';
import type { KnownLoad } from '@godwit/forecasting';
import { EMPTY_REGISTRY, type Registry } from '@godwit/registry';

/** A load that ended is in what was observed. */
const isToCome = (nowMs: InstantMs) => ({ toMs }: { readonly toMs: InstantMs }): boolean => toMs > nowMs;
const toLoad = ({ fromMs, toMs, cpuCores }: { fromMs: InstantMs; toMs: InstantMs; cpuCores: number }): KnownLoad => ({ fromMs, toMs, amount: cpuCores });

export interface KnownLoads {
  readonly ofThread: ReadonlyMap<ThreadId, readonly KnownLoad[]>;
  readonly ofDevice: ReadonlyMap<DeviceId, readonly KnownLoad[]>;
}

/** @param deviceOf where a thread runs; its load forecasts are the device's too. */
export function knownLoads(registry: Registry = EMPTY_REGISTRY, nowMs: InstantMs, deviceOf: (thread: ThreadId) => DeviceId | undefined): KnownLoads {
  const ofThread = new Map<ThreadId, KnownLoad[]>();
  const ofDevice = new Map<DeviceId, KnownLoad[]>();
  const add = <Id>(loads: Map<Id, KnownLoad[]>, id: Id, load: KnownLoad): void => {
    const present = loads.get(id);
    if (present) present.push(load);
    else loads.set(id, [load]);
  };
  for (const reservation of registry.reservations.values()) if (isToCome(nowMs)(reservation)) add(ofDevice, reservation.device, toLoad(reservation));
  for (const forecast of registry.loadForecasts.values()) {
    if (!isToCome(nowMs)(forecast)) continue;
    add(ofThread, forecast.thread, toLoad(forecast));
    const device = deviceOf(forecast.thread);
    if (device !== undefined) add(ofDevice, device, toLoad(forecast));
  }
  return { ofThread, ofDevice };
}
