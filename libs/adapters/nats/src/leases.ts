/**
 * Devices' leases: a bucket in the broker's memory, whose entries end by themselves. For liveness only; what must be safe
 * rests on the journal's fence.
 *
 * Invariants: L1. A lease that ends is told once, as `expired` or `dropped`. L2. When the broker has restarted, its memory
 * is empty: a device that held a lease before gets one more lease's time to renew it before it counts as expired.
 */
import { deviceId, isId, type DeviceId, type DurationMs, type InstantMs } from '@godwit/kernel';
import { jetstream, StorageType } from '@nats-io/jetstream';
import { Kvm, type KV, type KvWatchEntry } from '@nats-io/kv';
import { failingAs, NATS_TIMEOUTS, type NatsLink } from './connection.js';
import { backoffMs, pause } from './leader.js';
import { tenantName } from './streams.js';

/** Longer than the three seconds after which a device that cannot renew stops by itself. */
export const LEASE_MS: DurationMs = 5_000;
/** How long the broker keeps the mark of an ended lease; its shortest is a second. */
const MARKER_MS: DurationMs = 10_000;

export type LeaseChange =
  | { readonly type: 'held'; readonly device: DeviceId; readonly info: Uint8Array; readonly atMs: InstantMs }
  | { readonly type: 'ended'; readonly device: DeviceId; readonly reason: 'expired' | 'dropped' };

export interface Leases {
  readonly leaseMs: DurationMs;
  /** Takes or prolongs the device's lease. @throws OperationError, effect `unknown`: it may count as renewed. */
  renew(device: DeviceId, info: Uint8Array): Promise<void>;
  /** Ends it at once, as an agent does that stops in order. */
  drop(device: DeviceId): Promise<void>;
  /** Tells every lease that is held, then every change, through lost connections. Returns what ends the watching. */
  watch(onChange: (change: LeaseChange) => void): Promise<() => void>;
}

export interface LeasesOptions {
  readonly leaseMs?: DurationMs;
  readonly replicas?: 1 | 3;
  readonly prefix?: string;
}

/** @throws OperationError */
export async function openLeases(link: NatsLink, options: LeasesOptions = {}): Promise<Leases> {
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const name = tenantName('GODWIT_LEASES', options.prefix);
  const open = (): Promise<KV> => new Kvm(jetstream(link.nc, { timeout: NATS_TIMEOUTS.requestMs })).create(name, {
    storage: StorageType.Memory, ttl: leaseMs, history: 1, replicas: options.replicas ?? 1, markerTTL: MARKER_MS, description: 'Which devices live',
  });
  let bucket = await failingAs(`bucket ${name}`, open);
  return {
    leaseMs,
    async renew(device, info) {
      await failingAs(`lease of ${device}`, async () => {
        await link.whenConnected(NATS_TIMEOUTS.requestMs);
        await bucket.put(device, info).catch(async () => {
          // A broker that lost its memory may have lost the bucket too.
          bucket = await open();
          await bucket.put(device, info);
        });
      });
    },
    drop: (device) => failingAs(`lease of ${device}`, () => bucket.delete(device)),
    watch: async (onChange) => {
      const watcher = new LeaseWatcher(link, open, leaseMs, onChange);
      await failingAs(`watching ${name}`, () => watcher.start());
      return () => watcher.stop();
    },
  };
}

type Watching = Awaited<ReturnType<KV['watch']>>;

class LeaseWatcher {
  private readonly held = new Set<DeviceId>();
  /** Devices not seen again since the watching was begun anew. */
  private readonly missing = new Map<DeviceId, NodeJS.Timeout>();
  private watching: Watching | undefined;
  private stopped = false;
  private readonly stopListening: () => void;

  constructor(
    private readonly link: NatsLink, private readonly open: () => Promise<KV>, private readonly leaseMs: DurationMs,
    private readonly onChange: (change: LeaseChange) => void,
  ) {
    // The broker that we come back to may have forgotten our watching, or hold a new bucket with lower sequences.
    this.stopListening = link.onEvent((event) => { if (event.type === 'reconnected') this.watching?.stop(); });
  }

  async start(): Promise<void> {
    this.watching = await this.begin();
    void this.run(this.watching);
  }

  stop(): void {
    this.stopped = true;
    this.stopListening();
    this.watching?.stop();
    for (const timer of this.missing.values()) clearTimeout(timer);
    this.missing.clear();
  }

  private async begin(): Promise<Watching> {
    const watching = await (await this.open()).watch();
    for (const device of this.held) {
      if (!this.missing.has(device)) this.missing.set(device, setTimeout(() => this.end(device, 'expired'), this.leaseMs));
    }
    return watching;
  }

  private async run(first: Watching): Promise<void> {
    let watching: Watching | undefined = first;
    for (let attempt = 0; !this.stopped; attempt++) {
      if (watching) {
        this.watching = watching;
        for await (const entry of watching) this.take(entry);
        attempt = 0;
      }
      if (this.stopped || this.link.nc.isClosed()) return;
      await pause(backoffMs(attempt));
      // A failure here is that of the connection, which heals or ends by itself: try again until then.
      watching = await this.begin().catch(() => undefined);
      if (this.stopped) watching?.stop();
    }
  }

  private take(entry: KvWatchEntry): void {
    // Only agents write here; a key of another form belongs to nobody of ours.
    if (this.stopped || !isId(entry.key)) return;
    const device = deviceId(entry.key);
    if (entry.operation === 'PUT') {
      clearTimeout(this.missing.get(device));
      this.missing.delete(device);
      this.held.add(device);
      this.onChange({ type: 'held', device, info: entry.value, atMs: entry.created.getTime() });
    } else {
      this.end(device, entry.operation === 'DEL' ? 'dropped' : 'expired');
    }
  }

  private end(device: DeviceId, reason: 'expired' | 'dropped'): void {
    clearTimeout(this.missing.get(device));
    this.missing.delete(device);
    if (this.held.delete(device)) this.onChange({ type: 'ended', device, reason });
  }
}
