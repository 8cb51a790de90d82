import { godwit } from '#generated';
import type { DeviceId, MigrationId, RequestId } from '@godwit/kernel';
import { OWN_REASONS, type CheckpointRecord, type InRecord, type IntentRecord, type OutRecord, type OwnRecord } from '@godwit/journal';
import { RUNTIME_KINDS } from '@godwit/snapshot';
import { z } from 'zod';
import { bytes, closedSet, finite, id, longText, optionalId, positive, sha256, whole } from './fields.js';
import { messageCodec } from './message-codec.js';

const v1 = godwit.journal.v1;

/** One message of a thread is at most this long; a record carries at most `MAX_RECORD_BYTES`. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
export const MAX_RECORD_BYTES = 4 * 1024 * 1024;
/** A checkpoint is a base and at most so many deltas, less one. */
export const MAX_CHECKPOINT_PARTS = 256;
export const messageSchema = z.strictObject({
  kind: z.string().regex(/^[a-zA-Z0-9._-]{0,64}$/, 'must be at most 64 of a-z, A-Z, 0-9, ., _ and -').default(''),
  payload: bytes(MAX_MESSAGE_BYTES),
});
export const runtimeKind = closedSet('RUNTIME_KIND', RUNTIME_KINDS as ['wasm', 'task', 'process']);

export const ownRecordCodec = messageCodec<OwnRecord>('OwnRecord', v1.OwnRecord, z.strictObject({
  epoch: positive, device: id<DeviceId>(), reason: closedSet('OWN_REASON', OWN_REASONS as [OwnRecord['reason'], ...OwnRecord['reason'][]]),
  migration: optionalId<MigrationId>(), checkpoint: whole, note: longText,
}) as z.ZodType<OwnRecord, unknown>);

export const intentRecordCodec = messageCodec<IntentRecord>('IntentRecord', v1.IntentRecord, z.strictObject({
  epoch: positive, migration: id<MigrationId>(), source: id<DeviceId>(), target: id<DeviceId>(), note: longText,
}));

export const outRecordCodec = messageCodec<OutRecord>('OutRecord', v1.OutRecord, z.codec(
  z.strictObject({
    epoch: positive, n: positive, causedBySeq: whole, originMs: finite, messages: z.array(messageSchema).max(65_536),
    exit: z.optional(z.strictObject({ code: z.int() })), hashSha256: sha256,
  }),
  z.custom<OutRecord>(),
  { decode: ({ hashSha256, ...rest }) => ({ ...rest, hash: hashSha256 }) as OutRecord, encode: ({ hash, ...rest }) => ({ ...rest, hashSha256: hash }) as never },
));

export const checkpointRecordCodec = messageCodec<CheckpointRecord>('CheckpointRecord', v1.CheckpointRecord, z.codec(
  z.strictObject({
    k: positive, epoch: positive, device: id<DeviceId>(), runtime: runtimeKind, programSha256: sha256, cursorSeq: whole, outN: whole,
    chainSha256: sha256, digestSha256: sha256, sizeBytes: whole, chunks: positive,
    parts: z.array(z.strictObject({ k: positive, sizeBytes: whole, chunks: positive, digestSha256: sha256 })).max(MAX_CHECKPOINT_PARTS),
  }),
  z.custom<CheckpointRecord>(),
  {
    decode: ({ programSha256, chainSha256, digestSha256, sizeBytes, parts, ...rest }) => ({
      ...rest, program: programSha256, chainHash: chainSha256, digest: digestSha256, bytes: sizeBytes,
      ...(parts.length > 0 ? { parts: parts.map((part) => ({ k: part.k, bytes: part.sizeBytes, chunks: part.chunks, digest: part.digestSha256 })) } : {}),
    }) as CheckpointRecord,
    encode: ({ program, chainHash, digest, bytes: sizeBytes, parts = [], ...rest }) => ({
      ...rest, programSha256: program, chainSha256: chainHash, digestSha256: digest, sizeBytes,
      parts: parts.map((part) => ({ k: part.k, sizeBytes: part.bytes, chunks: part.chunks, digestSha256: part.digest })),
    }) as never,
  },
));

export const IN_KINDS = ['message', 'timer', 'end'] as const;
export const inRecordCodec = messageCodec<InRecord>('InRecord', v1.InRecord, z.strictObject({
  requestId: id<RequestId>(), kind: closedSet('IN_KIND', IN_KINDS), messages: z.array(messageSchema).max(65_536),
}));
