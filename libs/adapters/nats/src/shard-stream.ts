/** The stream of a shard: what the journal rests on, and the refusal of a stream that lacks it. */
import { OperationError, type ShardId } from '@godwit/kernel';
import { journalSubjects, shardStream } from '@godwit/journal';
import { toNanos, type NatsLink } from './connection.js';
import { api, apiError, apiOrThrow, JETSTREAM_ERRORS } from './leader.js';

/** As the broker tells a stream's configuration: JSON, absent for zero in older versions. */
type StreamSettings = Readonly<Record<string, unknown>>;

/** The broker's shortest window; nothing here carries the header that it serves. */
const DUPLICATE_WINDOW_MS = 100;

/** Each with the reason why another value would break the journal. */
const REQUIRED: readonly { readonly setting: string; readonly value: unknown; readonly because: string }[] = [
  { setting: 'storage', value: 'file', because: 'an acknowledged append must be on disk' },
  { setting: 'retention', value: 'limits', because: 'reading must not remove records' },
  { setting: 'discard', value: 'new', because: 'a full stream must refuse the new, not drop the old' },
  { setting: 'discard_new_per_subject', value: true, because: 'records are create-only' },
  { setting: 'max_msgs_per_subject', value: 1, because: 'records are create-only' },
  { setting: 'deny_delete', value: true, because: 'single records must not be deleted' },
  { setting: 'allow_direct', value: false, because: 'reads must come from the leader' },
  { setting: 'allow_atomic', value: true, because: 'queued outputs are appended as one batch' },
  { setting: 'allow_rollup_hdrs', value: false, because: 'a header could remove records' },
  { setting: 'allow_msg_ttl', value: false, because: 'a header could remove records' },
  { setting: 'max_age', value: 0, because: 'records go only by purging' },
  { setting: 'max_msgs', value: -1, because: 'records go only by purging' },
];

function settingsOf(shard: ShardId, prefix: string, replicas: number): StreamSettings {
  return {
    name: shardStream(shard, prefix), subjects: [journalSubjects(prefix).shard(shard)], num_replicas: replicas,
    ...Object.fromEntries(REQUIRED.map(({ setting, value }) => [setting, value])),
    max_bytes: -1, max_msg_size: -1, max_consumers: -1, duplicate_window: toNanos(DUPLICATE_WINDOW_MS), compression: 'none',
    description: `Godwit's journal, shard ${shard}`,
  };
}

/** What a stream lacks, as one sentence each; empty when the journal can rest on it. */
export function lacks(found: StreamSettings, wanted: { readonly subject: string; readonly replicas: number }): string[] {
  const missing = REQUIRED.filter(({ setting, value }) => (found[setting] ?? (typeof value === 'boolean' ? false : value === 0 ? 0 : undefined)) !== value)
    .map(({ setting, value, because }) => `${setting} is ${JSON.stringify(found[setting])}, must be ${JSON.stringify(value)}: ${because}`);
  const subjects = Array.isArray(found.subjects) ? found.subjects : [];
  if (subjects.length !== 1 || subjects[0] !== wanted.subject) missing.push(`subjects are ${JSON.stringify(subjects)}, must be ["${wanted.subject}"]`);
  if (Number(found.num_replicas) < wanted.replicas) missing.push(`num_replicas is ${String(found.num_replicas)}, must be ${wanted.replicas} or more`);
  if (found.persist_mode === 'async') missing.push('persist_mode is "async": an acknowledged append must be on disk');
  if (found.mirror !== undefined || found.sources !== undefined) missing.push('it copies another stream: every record must be appended under the fence');
  if (found.subject_transform !== undefined) missing.push('it renames subjects: the fence would name others');
  return missing;
}

/** @throws OperationError `conflict` (the message names every setting that is wrong), effect `none`. */
export async function ensureShardStream(link: NatsLink, shard: ShardId, options: { readonly prefix: string; readonly replicas: number }): Promise<void> {
  const wanted = settingsOf(shard, options.prefix, options.replicas);
  const name = String(wanted.name);
  let info = await api<{ config: StreamSettings }>(link, `STREAM.INFO.${name}`);
  if ('error' in info && info.error.err_code === JETSTREAM_ERRORS.streamNotFound) {
    info = await api(link, `STREAM.CREATE.${name}`, wanted);
    // Another service may have created it meanwhile, with other settings.
    if ('error' in info && info.error.err_code === JETSTREAM_ERRORS.streamNameInUse) info = await apiOrThrow(link, `STREAM.INFO.${name}`);
  }
  if ('error' in info) throw apiError(`stream ${name}`, info.error);
  const missing = lacks(info.config, { subject: journalSubjects(options.prefix).shard(shard), replicas: options.replicas });
  if (missing.length > 0) throw new OperationError('conflict', `stream ${name} cannot hold the journal: ${missing.join('; ')}`, { effect: 'none' });
}
