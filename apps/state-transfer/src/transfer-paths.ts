/**
 * Which way a thread's state takes between two devices, how long that will last, and when it may begin. Transfers over one
 * link take turns beyond `transfersPerLink`: nobody reports a transfer's end, so each counts for as long as it was expected to
 * last from its start.
 */
import { isRefusal, refuse, type Clock, type DeviceId, type DurationMs, type MonotonicMs, type Refusal } from '@godwit/kernel';
import type { LeaseChange } from '@godwit/nats';
import type { Registry } from '@godwit/registry';
import { Malformed, type Log } from '@godwit/shell';
import { decodeSamples, leaseCodec, SUBJECTS, type Lease, type PathReply, type PathRequest } from '@godwit/wire';

/** 1 Gbit/s, where nothing was measured yet. */
export const UNMEASURED_BYTES_PER_SECOND = 125_000_000;
/** What an agent says that cannot read its boot id. */
const NO_BOOT_ID = new Set(['', 'unknown']);
const RATE = /^link\.([a-z0-9-]{1,64})\.bytes_per_second$/;

export interface TransferPathsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: () => Registry;
  readonly transfersPerLink: number;
}

export class TransferPaths {
  readonly malformed: Malformed;
  private readonly leases = new Map<DeviceId, Lease>();
  /** Measured by the first device, towards the second. */
  private readonly rates = new Map<DeviceId, Map<DeviceId, number>>();
  /** Expected ends of the transfers under way or waiting, by link. */
  private readonly ends = new Map<string, MonotonicMs[]>();

  constructor(private readonly options: TransferPathsOptions) {
    this.malformed = new Malformed(options.log, options.clock);
  }

  takeLease(change: LeaseChange): void {
    if (change.type === 'ended') {
      this.leases.delete(change.device);
      this.rates.delete(change.device);
      return;
    }
    const lease = leaseCodec.decode(change.info);
    if (isRefusal(lease)) this.malformed.note(`lease of ${change.device}`, lease);
    else this.leases.set(change.device, lease);
  }

  /** Of the samples only the links' measured throughput matters here. */
  takeSamples(subject: string, bytes: Uint8Array): void {
    const batch = decodeSamples(bytes);
    if (isRefusal(batch)) return this.malformed.note(subject, batch);
    if (subject !== SUBJECTS.metrics(batch.device)) return this.malformed.note(subject, refuse('invalid-field', `the samples are those of ${batch.device}`, 'device'));
    const { devices } = this.options.registry();
    for (const { metric, thread, values } of batch.columns) {
      const peer = thread === '' ? (RATE.exec(metric)?.[1] as DeviceId | undefined) : undefined;
      const newest = values.findLast((value) => Number.isFinite(value) && value > 0);
      if (peer === undefined || newest === undefined || !devices.has(batch.device) || !devices.has(peer)) continue;
      const row = this.rates.get(batch.device) ?? new Map<DeviceId, number>();
      this.rates.set(batch.device, row.set(peer, newest));
    }
  }

  /** Takes a turn on the link. Refuses devices that are neither registered nor alive, and a device as its own target. */
  plan({ source, target, sizeBytes }: PathRequest): PathReply | Refusal {
    if (source === target) return refuse('invalid-field', `device ${target} is the source already`, 'target');
    for (const [field, device] of [['source', source], ['target', target]] as const) {
      if (!this.leases.has(device) && !this.options.registry().devices.has(device)) return refuse('not-found', `device ${device} is not registered`, field);
    }
    const path = this.pathOf(source, target);
    const { waitMs, sharing } = this.turn(`${source}>${target}`);
    const bytesPerSecond = (this.rates.get(source)?.get(target) ?? this.rates.get(target)?.get(source) ?? UNMEASURED_BYTES_PER_SECOND) / sharing;
    const expectedMs = (sizeBytes * 1_000) / bytesPerSecond;
    this.occupy(`${source}>${target}`, waitMs + expectedMs);
    // Within one host there is no link to be fair on.
    return { path, expectedMs, limitBytesPerSecond: path === 'same-host' ? 0 : bytesPerSecond, waitMs };
  }

  private pathOf(source: DeviceId, target: DeviceId): PathReply['path'] {
    const [from, to] = [this.leases.get(source), this.leases.get(target)];
    if (from && to && from.bootId === to.bootId && !NO_BOOT_ID.has(from.bootId)) return 'same-host';
    const { devices } = this.options.registry();
    const [here, there] = [devices.get(source)?.place, devices.get(target)?.place];
    return here && there && here.rack !== '' && here.rack === there.rack && here.pop === there.pop ? 'same-rack' : 'routed';
  }

  /** When the next transfer over the link may begin, and how many then share it, itself included. */
  private turn(link: string): { readonly waitMs: DurationMs; readonly sharing: number } {
    const nowMs = this.options.clock.monotonicMs();
    const under = (this.ends.get(link) ?? []).filter((endMs) => endMs > nowMs).sort((a, b) => a - b);
    const { transfersPerLink } = this.options;
    const startMs = under.length < transfersPerLink ? nowMs : under[under.length - transfersPerLink]!;
    return { waitMs: startMs - nowMs, sharing: 1 + under.filter((endMs) => endMs > startMs).length };
  }

  private occupy(link: string, forMs: DurationMs): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const [other, ends] of this.ends) {
      const left = ends.filter((endMs) => endMs > nowMs);
      if (left.length > 0) this.ends.set(other, left);
      else this.ends.delete(other);
    }
    this.ends.set(link, [...(this.ends.get(link) ?? []), nowMs + forMs]);
  }
}
