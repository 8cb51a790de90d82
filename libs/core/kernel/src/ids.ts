/**
 * Identifiers. Every id that crosses a border has the form `[a-z0-9-]{1,64}`, so that it is one NATS
 * subject token and one Redis key part, and can never carry `.`, `*` or `>` (RELIABILITY T7).
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type ThreadId = Branded<'thread'>;
export type DeviceId = Branded<'device'>;
export type ApplicationId = Branded<'application'>;
export type ShardId = Branded<'shard'>;
export type MigrationId = Branded<'migration'>;
export type DecisionId = Branded<'decision'>;
export type RequestId = Branded<'request'>;
/** Lower-case hexadecimal SHA-256, 64 characters. */
export type Sha256 = Branded<'sha256'>;

const ID = /^[a-z0-9-]{1,64}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** True when `text` may stand as one token of a subject. */
export const isId = (text: unknown): text is string => typeof text === 'string' && ID.test(text);
export const isSha256 = (text: unknown): text is Sha256 => typeof text === 'string' && SHA256.test(text);

function parse<Id extends string>(kind: string) {
  return (text: string): Id => {
    if (!isId(text)) throw new RangeError(`${kind}: ${JSON.stringify(text)} is not of the form [a-z0-9-]{1,64}`);
    return text as string as Id;
  };
}
/** @throws RangeError naming the kind of id when `text` has another form. */
export const threadId = parse<ThreadId>('thread');
export const deviceId = parse<DeviceId>('device');
export const applicationId = parse<ApplicationId>('application');
export const shardId = parse<ShardId>('shard');
export const migrationId = parse<MigrationId>('migration');
export const decisionId = parse<DecisionId>('decision');
export const requestId = parse<RequestId>('request');

/** Where fresh ids come from. The core takes it as an argument; a seed makes a run repeatable. */
export interface IdSource {
  /** A fresh id of the form `<prefix>-<rest>`. */
  next(prefix: string): string;
}
