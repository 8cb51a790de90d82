/** Keeps the device's threads within its capacity: a control group where one can be had, else duty cycles at safepoints. */
import { isRefusal, type Refusal } from '@godwit/kernel';
import { DutyCycle, openEnforcer, type CapacityEnforcer } from '@godwit/cgroup';
import { descendantsOf } from '@godwit/runner-host';
import type { Log } from '@godwit/shell';
import type { Capacity, ThreadHost } from '@godwit/handover';
import type { MissingRuntime } from '@godwit/wire';

export type Enforcement = 'auto' | 'cgroup' | 'duty-cycle';

/** @returns the enforcer, or why the demanded kind is not to be had. */
export function openCapacity(options: { readonly device: string; readonly cores: number; readonly enforcement: Enforcement }, log: Log): CapacityEnforcer | Refusal {
  if (options.enforcement !== 'duty-cycle') {
    const group = openEnforcer({ name: options.device, cores: options.cores });
    if (!isRefusal(group) || options.enforcement === 'cgroup') return group;
    log.info({ reason: group.reason }, 'no control group; capacity is enforced by duty cycles at safepoints');
    return DutyCycle.open({ cores: options.cores, reason: group.reason });
  }
  return DutyCycle.open({ cores: options.cores, reason: 'duty cycles were asked for' });
}

/** A thread that was held more than this, or has a backlog, wants as much as it can get. */
const HELD_RATIO = 0.02;
/** Never quite nothing, so that a freeze is always answered. */
const LEAST_RATIO = 0.01;

export interface ThreadLoad {
  readonly host: ThreadHost;
  readonly usedCores: number;
  readonly heldRatio: number;
}

/** Divides the capacity anew; called a few times a second. */
export function divide(enforcer: CapacityEnforcer, loads: readonly ThreadLoad[]): void {
  if (!(enforcer instanceof DutyCycle)) {
    for (const { host } of loads) host.setDuty(host.throttleCores === undefined ? 1 : Math.min(1, Math.max(LEAST_RATIO, host.throttleCores)));
    return;
  }
  const ratios = enforcer.ratios(loads.map(({ host, usedCores, heldRatio }) => {
    const maxCores = Math.min(host.spec.limits.cpuCores, host.throttleCores ?? Infinity);
    const hungry = heldRatio > HELD_RATIO || host.backlogRecords > 1;
    return { id: host.spec.thread, demandCores: hungry ? maxCores : usedCores * 1.2 + 0.01, weight: 1, maxCores };
  }));
  for (const { host } of loads) host.setDuty(Math.max(LEAST_RATIO, Math.min(1, ratios.get(host.spec.thread) ?? 1)));
}

/** Of one line in a status. */
const MOST_LINE_CHARS = 4_000;

/** The enforcer as the protocol needs it, and what else this device lacks. */
export const capacityOf = (enforcer: CapacityEnforcer, missingRuntimes: readonly MissingRuntime[]): Capacity => ({
  kind: enforcer.kind,
  missing: () => [
    ...enforcer.knobs().filter((knob) => !knob.available).map((knob) => `${knob.name}: ${knob.reason ?? 'not offered'}`),
    ...missingRuntimes.map(({ runtime, reason }) => `runtime ${runtime}: ${reason}`.slice(0, MOST_LINE_CHARS)),
  ],
  // Of a process thread the runner is the smaller part; what its processes start later inherits their group.
  admit: (pid) => [pid, ...descendantsOf(pid)].forEach((one) => enforcer.admit(one)),
  release: (pid) => [pid, ...descendantsOf(pid)].forEach((one) => enforcer.release(one)),
  close: () => enforcer.close(),
});
