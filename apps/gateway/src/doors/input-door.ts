/** The only door for inputs from outside: acknowledged when the journal has the record, and this gateway's log has its number. */
import { requestId, type RequestId } from '@godwit/kernel';
import type { InRecord, Journal } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import { randomUUID } from 'node:crypto';
import { JSON_TYPE, mediaType } from '../http/access.js';
import { idempotencyKey } from '../http/parameters.js';
import { accepted, unlessRefused } from '../http/refused.js';
import { inputRecord, inputsSchema, rawRecord } from './inputs.js';
import type { Told } from './told.js';

export interface InputReply {
  readonly requestId: string;
  readonly seq: number;
  /** True when this request id was in the journal already, with the same content. */
  readonly duplicate: boolean;
}
const freshId = (): RequestId => requestId(randomUUID());

export class InputDoor {
  constructor(private readonly journal: Pick<Journal, 'appendInput' | 'ensureShard'>, private readonly told: Told) {}

  /**
   * From a body as it came: parsed JSON, or the bytes of a message.
   * @param idempotency the header with the request id, if there is one. @throws RefusedError that names the field.
   */
  record(body: unknown, contentType: string | undefined, idempotency: string | undefined): InRecord {
    const key = idempotencyKey(idempotency);
    const raw = mediaType(contentType) !== JSON_TYPE;
    return unlessRefused(raw ? rawRecord((body as Uint8Array | undefined) ?? new Uint8Array(0), key ?? freshId()) : inputRecord(accepted(inputsSchema, body, 'inputs'), key, freshId));
  }

  /** @throws RefusedError, OperationError. */
  async append(spec: ThreadSpec, record: InRecord): Promise<InputReply> {
    await this.told.guard(spec.shard);
    await this.journal.ensureShard(spec.shard);
    const { seq, duplicate } = unlessRefused(await this.journal.appendInput({ shard: spec.shard, thread: spec.thread }, record));
    await this.told.note(spec.shard, seq);
    return { requestId: record.requestId, seq, duplicate };
  }
}
