/** Wires state-transfer to NATS and Redis. Request subjects are the controller's. */
import type { Clock, DurationMs } from '@godwit/kernel';
import { natsJournal, openLeases, type NatsLink } from '@godwit/nats';
import type { CheckpointStore } from '@godwit/redis';
import { followRegistry, type Log, type RegistryFollower } from '@godwit/shell';
import { SUBJECTS } from '@godwit/wire';
import type { Msg } from '@nats-io/transport-node';
import { Counter, Registry } from 'prom-client';
import { CheckpointVerifier } from './checkpoint-verifier.js';
import type { GrantPorts } from './grants.js';
import { Purger, PURGER_LIMITS } from './purger.js';
import { recordHorizon } from './record-horizon.js';
import { ReleasedMarks } from './released-marks.js';
import { TransferPaths } from './transfer-paths.js';

export interface TransferServiceOptions {
  readonly link: NatsLink;
  readonly store: CheckpointStore;
  readonly log: Log;
  readonly clock: Clock;
  readonly replicas: 1 | 3;
  readonly retryHorizonMs: DurationMs;
  readonly transfersPerLink: number;
  /** Pause between two rounds of verifying and purging. */
  readonly purgeMs: DurationMs;
}

export interface TransferService {
  readonly grants: GrantPorts;
  readonly paths: TransferPaths;
  readonly purger: Purger;
  readonly verifier: CheckpointVerifier;
  readonly released: ReleasedMarks;
  readonly follower: RegistryFollower;
  /** The service's own metrics, to be merged into those of its admin port. */
  readonly metrics: Registry;
  close(): Promise<void>;
}

/** @throws OperationError when the registry or the leases cannot be read. */
export async function openTransferService(options: TransferServiceOptions): Promise<TransferService> {
  const { link, store, log, clock } = options;
  const follower = await followRegistry({ nats: link.nc, log });
  const registry = () => follower.registry;
  const journal = natsJournal(link, { replicas: options.replicas });
  const verifier = new CheckpointVerifier({ journal, store, clock, log });
  const released = new ReleasedMarks({ registry, log, clock });
  const paths = new TransferPaths({ clock, log, registry, transfersPerLink: options.transfersPerLink });
  const purger = new Purger({
    registry, journal, store, verifier, log, releasedSeq: (shard) => released.of(shard), horizonSeq: (shard, horizonMs) => recordHorizon(link.nc, shard, horizonMs),
  }, { ...PURGER_LIMITS, retryHorizonMs: options.retryHorizonMs });

  const listen = (subject: string, take: (subject: string, data: Uint8Array) => void) => link.nc.subscribe(subject, {
    callback: (error, message: Msg) => (error ? log.warn({ subject, err: error }, 'subscription failed') : take(message.subject, message.data)),
  });
  const subscriptions = [
    listen(SUBJECTS.metrics('*'), (subject, data) => paths.takeSamples(subject, data)),
    listen(SUBJECTS.released('*'), (subject, data) => released.take(subject, data)),
  ];
  const leases = await openLeases(link, { replicas: options.replicas });
  const stopWatching = await leases.watch((change) => paths.takeLease(change));
  const rounds = repeat(() => purger.round(), options.purgeMs);
  return {
    grants: { registry, journal, store }, paths, purger, verifier, released, follower, metrics: measures({ verifier, purger, paths, released }),
    close: async () => {
      await rounds.stop();
      stopWatching();
      for (const subscription of subscriptions) subscription.unsubscribe();
      await follower.stop();
    },
  };
}

/** Runs `work` again and again with a pause between. What it throws is our mistake and ends the process. */
function repeat(work: () => Promise<void>, pauseMs: DurationMs): { stop(): Promise<void> } {
  let stopped = false;
  let wake = (): void => undefined;
  const pause = (): Promise<void> => new Promise((resolve) => {
    const timer = setTimeout(resolve, pauseMs);
    wake = () => { clearTimeout(timer); resolve(); };
  });
  const rounds = async (): Promise<void> => {
    for (await pause(); !stopped; await pause()) await work();
  };
  const running = rounds();
  return {
    stop: () => {
      stopped = true;
      wake();
      return running;
    },
  };
}

function measures({ verifier, purger, paths, released }: Pick<TransferService, 'verifier' | 'purger' | 'paths' | 'released'>): Registry {
  const register = new Registry();
  const count = (name: string, help: string, value: () => number): void => {
    new Counter({ name, help, registers: [register], collect() { this.reset(); this.inc(value()); } });
  };
  count('godwit_checkpoints_verified_total', 'Checkpoints that were read back and are whole.', () => verifier.verifiedCount);
  count('godwit_checkpoints_damaged_total', 'Checkpoints that were read back and are damaged.', () => verifier.damagedCount);
  count('godwit_checkpoints_removed_total', 'Checkpoints that were removed from Redis.', () => purger.removedCheckpoints);
  count('godwit_transfer_malformed_messages_total', 'Samples, leases and marks that were refused.', () => paths.malformed.count + released.malformed.count);
  count('godwit_journal_purged_records_total', 'Records that were removed from the journal.', () => purger.purgedRecords);
  return register;
}
