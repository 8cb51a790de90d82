/** Measured paths to the other agents: the time of a TCP handshake with their bulk doors, and the rate of past copies. */
import { connect } from 'node:net';
import type { Clock, DeviceId } from '@godwit/kernel';
import type { PeerLinks } from '@godwit/handover';
import type { Reading } from '@godwit/telemetry';
import type { Lease } from '@godwit/wire';

const PROBE_MS = 10_000;
const PROBE_TIMEOUT_MS = 2_000;

export class Links implements PeerLinks {
  private readonly peers = new Map<DeviceId, Lease>();
  private readonly reading: Record<string, number> = {};
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly self: DeviceId, private readonly clock: Clock) {}

  start(): void {
    this.timer = setInterval(() => this.probeAll(), PROBE_MS);
  }
  close(): void {
    clearInterval(this.timer);
  }
  seen(lease: Lease): void {
    if (lease.device === this.self) return;
    const known = this.peers.has(lease.device);
    this.peers.set(lease.device, lease);
    if (!known) this.probe(lease);
  }
  gone(device: DeviceId): void {
    this.peers.delete(device);
    delete this.reading[`link.${device}.latency_ms`];
    delete this.reading[`link.${device}.bytes_per_second`];
  }
  /** A copy to the device took so long. */
  copied(device: DeviceId, bytes: number, ms: number): void {
    if (ms > 0) this.reading[`link.${device}.bytes_per_second`] = bytes / (ms / 1000);
  }
  deviceAt(host: string, port: number): DeviceId | undefined {
    return [...this.peers.values()].find((lease) => lease.bulkHost === host && lease.bulkPort === port)?.device;
  }
  read(): Reading {
    return this.reading;
  }
  private probeAll(): void {
    for (const lease of this.peers.values()) this.probe(lease);
  }
  private probe(lease: Lease): void {
    const startedMs = this.clock.monotonicMs();
    const socket = connect({ host: lease.bulkHost, port: lease.bulkPort, timeout: PROBE_TIMEOUT_MS });
    socket.on('connect', () => {
      this.reading[`link.${lease.device}.latency_ms`] = this.clock.monotonicMs() - startedMs;
      socket.destroy();
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => delete this.reading[`link.${lease.device}.latency_ms`]);
  }
}
