/** Compute accelerators of the kernel's accel class: Habana, Intel NPU, Qualcomm and others. Each driver tells a little. */
import type { Card, CardKind } from './sysfs-cards.js';
import { boardWatts, children, hottest, numberIn, resolved, sensorsBelow } from './sensors.js';

const MICROSECONDS_PER_MS = 1_000;

export const ASICS: CardKind = {
  kind: 'asic', metrics: ['utilisation_ratio', 'memory_bytes', 'temperature_celsius', 'power_watts'],
  none: (sysRoot) => `${sysRoot}/class/accel: this host has no accelerator that the kernel knows`,
  find: (sysRoot) => children(`${sysRoot}/class/accel`, /^accel\d+$/).map((card) => cardOf(resolved(`${card}/device`))),
};

function cardOf(device: string): Card {
  const sensors = sensorsBelow(device);
  const [busy, memory] = [`${device}/npu_busy_time_us`, `${device}/npu_memory_utilization`];
  return {
    readings: {
      ...(Number.isNaN(numberIn(busy)) ? {} : { utilisation_ratio: shareOfTime(busy) }),
      ...(Number.isNaN(numberIn(memory)) ? {} : { memory_bytes: () => numberIn(memory) }),
      ...(sensors.temperatures.length === 0 ? {} : { temperature_celsius: () => hottest(sensors) }),
      ...(sensors.powers.length === 0 ? {} : { power_watts: () => boardWatts(sensors) }),
    },
  };
}

/** A counter of busy microseconds as a share of the time since it was read last. */
function shareOfTime(path: string): (monotonicMs: number) => number | undefined {
  let [before, beforeMs] = [Number.NaN, Number.NaN];
  return (monotonicMs) => {
    const busyMs = numberIn(path) / MICROSECONDS_PER_MS;
    const share = (busyMs - before) / (monotonicMs - beforeMs);
    [before, beforeMs] = [busyMs, monotonicMs];
    return share >= 0 ? Math.min(1, share) : undefined;
  };
}
