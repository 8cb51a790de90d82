/** The streams beside the journal, and the names of all of them under a tenant's prefix. */
import { OperationError, type DurationMs } from '@godwit/kernel';
import { toNanos, type NatsLink } from './connection.js';
import { api, apiError, apiOrThrow, JETSTREAM_ERRORS } from './leader.js';

/** `acme.` makes `GODWIT_LEASES` into `ACME_GODWIT_LEASES`; the rule of `shardStream`. */
export const tenantName = (name: string, prefix = ''): string => `${prefix.replaceAll('.', '_').toUpperCase()}${name}`;

export interface StreamsOptions {
  readonly replicas: 1 | 3;
  /** Subjects of the registration events, without the tenant's prefix. */
  readonly registrySubjects: readonly string[];
  readonly prefix?: string;
  /** Default seven days. */
  readonly historyMaxAgeMs?: DurationMs;
  /** Default 1 GiB. */
  readonly historyMaxBytes?: number;
}

const WEEK_MS: DurationMs = 7 * 24 * 3_600_000;
const HISTORY_BYTES = 1024 ** 3;

type Settings = Readonly<Record<string, unknown>>;

/**
 * Creates the registry, migrations, decisions and history, or brings their subjects and bounds up to date.
 * @throws OperationError `conflict` when a stream of that name is of another kind, effect `none`.
 */
export async function ensureStreams(link: NatsLink, options: StreamsOptions): Promise<void> {
  const prefix = options.prefix ?? '';
  const kept = { retention: 'limits', storage: 'file', num_replicas: options.replicas, deny_delete: true, max_age: 0, max_bytes: -1 };
  const wanted: Settings[] = [
    // The registry and the records of what was decided are refused when the disk is full, never dropped.
    { ...kept, name: tenantName('GODWIT_REGISTRY', prefix), discard: 'new', subjects: options.registrySubjects.map((subject) => prefix + subject) },
    { ...kept, name: tenantName('GODWIT_MIGRATIONS', prefix), discard: 'new', subjects: [`${prefix}godwit.migration.>`] },
    { ...kept, name: tenantName('GODWIT_DECISIONS', prefix), discard: 'new', subjects: [`${prefix}godwit.decision.*`] },
    {
      ...kept, name: tenantName('GODWIT_HISTORY', prefix), discard: 'old', subjects: [`${prefix}godwit.history.>`],
      max_age: toNanos(options.historyMaxAgeMs ?? WEEK_MS), max_bytes: options.historyMaxBytes ?? HISTORY_BYTES,
    },
  ];
  for (const settings of wanted) await ensureStream(link, settings);
}

async function ensureStream(link: NatsLink, wanted: Settings): Promise<void> {
  const name = String(wanted.name);
  const found = await api<{ config: Settings }>(link, `STREAM.INFO.${name}`);
  if ('error' in found) {
    if (found.error.err_code !== JETSTREAM_ERRORS.streamNotFound) throw apiError(`stream ${name}`, found.error);
    // A service that starts beside us may create it first, with the same settings: the broker answers that with success.
    await apiOrThrow(link, `STREAM.CREATE.${name}`, wanted);
    return;
  }
  const differing = Object.keys(wanted).filter((key) => JSON.stringify(found.config[key]) !== JSON.stringify(wanted[key]));
  if (differing.length === 0) return;
  const updated = await api(link, `STREAM.UPDATE.${name}`, { ...found.config, ...wanted });
  if ('error' in updated) {
    throw new OperationError('conflict', `stream ${name} differs in ${differing.join(', ')}, and the broker does not change it: ${updated.error.description}`, { effect: 'none' });
  }
}
