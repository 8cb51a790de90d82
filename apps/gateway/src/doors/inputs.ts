/** From the body of a request to an input record. */
import { refuse, type Refusal, type RequestId } from '@godwit/kernel';
import type { InRecord } from '@godwit/journal';
import { bytes, id, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES } from '@godwit/wire';
import { z } from 'zod';

/** Most messages of one record. */
const MAX_MESSAGES = 65_536;
const kind = z.string().regex(/^[a-zA-Z0-9._-]{0,64}$/, 'must be at most 64 of a-z, A-Z, 0-9, ., _ and -');
const message = z.strictObject({
  kind: kind.optional(),
  payload: bytes(MAX_MESSAGE_BYTES).optional().meta({ description: 'base64' }),
  text: z.string().max(MAX_MESSAGE_BYTES).optional().meta({ description: 'UTF-8 text' }),
  json: z.unknown().optional().meta({ description: 'any JSON value, sent as its text' }),
}).refine((given) => Object.keys(given).filter((key) => key !== 'kind').length === 1, { error: 'must hold exactly one of payload, text and json' });

export const inputsSchema = z.strictObject({
  requestId: id<RequestId>().optional(),
  messages: z.array(message).min(1).max(MAX_MESSAGES).optional(),
  end: z.literal(true).optional().meta({ description: 'ends the input; comes without messages' }),
}).refine((given) => (given.messages === undefined) !== (given.end === undefined), { error: 'must hold either messages or end: true', path: ['messages'] });
export type InputsBody = z.output<typeof inputsSchema>;

const encoder = new TextEncoder();
const payloadOf = (given: z.output<typeof message>): Uint8Array =>
  given.payload ?? encoder.encode(given.text ?? JSON.stringify(given.json));

/** @param requestId of the header, when there is one; the body's must be the same. @param fresh an id for a request without one. */
export function inputRecord(body: InputsBody, requestId: RequestId | undefined, fresh: () => RequestId): InRecord | Refusal {
  if (requestId !== undefined && body.requestId !== undefined && requestId !== body.requestId) {
    return refuse('invalid-field', `field requestId: is ${body.requestId}, but the header Idempotency-Key is ${requestId}`, 'requestId');
  }
  const messages = (body.messages ?? []).map((given) => ({ kind: given.kind ?? '', payload: payloadOf(given) }));
  return checkedRecord({ requestId: requestId ?? body.requestId ?? fresh(), kind: body.end ? 'end' : 'message', messages });
}

/** The body as it came, as one message. */
export const rawRecord = (payload: Uint8Array, requestId: RequestId): InRecord | Refusal =>
  checkedRecord({ requestId, kind: 'message', messages: [{ kind: '', payload }] });

function checkedRecord(record: InRecord): InRecord | Refusal {
  const long = record.messages.findIndex(({ payload }) => payload.length > MAX_MESSAGE_BYTES);
  if (long >= 0) return refuse('payload-too-large', `field messages.${long}: a message takes at most ${MAX_MESSAGE_BYTES} bytes`, `messages.${long}`);
  const recordBytes = record.messages.reduce((sum, { payload }) => sum + payload.length, 0);
  if (recordBytes > MAX_RECORD_BYTES) return refuse('payload-too-large', `field messages: ${recordBytes} bytes, a record takes at most ${MAX_RECORD_BYTES}`, 'messages');
  return record;
}
