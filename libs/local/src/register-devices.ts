/** Makes the registry hold exactly our devices: by registration events, as anybody would publish them. */
import { isDeepStrictEqual } from 'node:util';
import { OperationError, type DeviceId, type DurationMs } from '@godwit/kernel';
import { connectNats } from '@godwit/nats';
import type { DeviceSpec, RegistryEvent } from '@godwit/registry';
import { createLog, followRegistry } from '@godwit/shell';
import { encodeEvent, eventId, STREAMS, SUBJECTS, type RegistryVerdict } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';

const VERDICT_LIMIT_MS: DurationMs = 15_000;

export interface Registered {
  /** Devices that the registry held already, as they are. */
  readonly known: number;
  readonly registered: number;
  readonly removed: number;
}

/**
 * Registers `devices` and removes those of `earlier` that are no longer among them. Needs a migration controller that runs.
 * @throws OperationError with the controller's reason when it refuses, `timeout` when it does not answer.
 */
export async function registerDevices(options: { readonly natsUrl: string; readonly devices: readonly DeviceSpec[]; readonly earlier: readonly DeviceId[]; readonly signal: AbortSignal }): Promise<Registered> {
  const { devices, earlier, signal } = options;
  const verdicts = new Verdicts(signal);
  await using link = await connectNats({ url: options.natsUrl, name: 'godwit-local' });
  // The broker ends soon after an abort; nothing here may wait for it to come back.
  const cut = (): void => void link.nc.close();
  signal.addEventListener('abort', cut, { once: true });
  signal.throwIfAborted();
  const follower = await followRegistry({ nats: link.nc, log: createLog('local', 'silent'), onVerdict: (verdict) => verdicts.take(verdict) });
  try {
    const held = follower.registry.devices;
    const events: RegistryEvent[] = devices
      .filter((spec) => !isDeepStrictEqual(held.get(spec.device), spec))
      .map((spec) => ({ event: 'device-registered', spec }));
    const gone = earlier.filter((id) => held.has(id) && !devices.some(({ device }) => device === id));
    events.push(...gone.map((id): RegistryEvent => ({ event: 'device-removed', id })));
    const stream = jetstream(link.nc);
    for (const event of events) {
      const { seq } = await stream.publish(SUBJECTS.registryEvent(event.event, eventId(event)), encodeEvent(event), { expect: { streamName: STREAMS.registry.name } });
      await verdicts.of(seq, event);
    }
    return { known: devices.length + gone.length - events.length, registered: events.length - gone.length, removed: gone.length };
  } finally {
    signal.removeEventListener('abort', cut);
    await follower.stop();
  }
}

/** Verdicts as they come, before or after somebody asks for them. */
class Verdicts {
  private readonly given = new Map<number, RegistryVerdict>();
  private wake: () => void = () => undefined;

  constructor(private readonly signal: AbortSignal) {}

  take(verdict: RegistryVerdict): void {
    this.given.set(verdict.eventSeq, verdict);
    this.wake();
  }

  async of(seq: number, event: RegistryEvent): Promise<void> {
    const limit = AbortSignal.any([this.signal, AbortSignal.timeout(VERDICT_LIMIT_MS)]);
    const verdict = await new Promise<RegistryVerdict>((resolve, reject) => {
      const look = (): void => {
        const given = this.given.get(seq);
        if (given) resolve(given);
      };
      const giveUp = (): void => reject(new OperationError('timeout', `${event.event} ${eventId(event)}: the migration controller gave no verdict`, { effect: 'unknown' }));
      this.wake = look;
      look();
      if (limit.aborted) giveUp();
      else limit.addEventListener('abort', giveUp, { once: true });
    });
    if (!verdict.accepted) throw new OperationError('conflict', `${event.event} ${eventId(event)} was refused: ${verdict.reason}`, { effect: 'none' });
  }
}
