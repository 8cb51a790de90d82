/** Request and reply with types and named timeouts; the other half of `nest-transport.ts`. */
import { OperationError, type Refusal } from '@godwit/kernel';
import { refusalFromHeaders, type MessageCodec } from '@godwit/wire';
import { NoRespondersError, TimeoutError, type NatsConnection } from '@nats-io/transport-node';

export interface Call<Request, Reply> {
  readonly subject: string;
  readonly request: MessageCodec<Request>;
  readonly reply: MessageCodec<Reply>;
  readonly timeoutMs: number;
}

/**
 * The reply, or the refusal of the other side.
 * @throws OperationError('timeout', effect unknown) when no answer comes; OperationError('connection-lost', effect none)
 * when nobody listens.
 */
export async function call<Request, Reply>(nats: NatsConnection, { subject, request, reply, timeoutMs }: Call<Request, Reply>, value: Request): Promise<Reply | Refusal> {
  let message;
  try {
    message = await nats.request(subject, request.encode(value), { timeout: timeoutMs });
  } catch (cause) {
    if (cause instanceof NoRespondersError || (cause as { isNoResponders?: () => boolean }).isNoResponders?.() === true) {
      throw new OperationError('connection-lost', `nobody listens on ${subject}`, { effect: 'none', cause });
    }
    if (cause instanceof TimeoutError) throw new OperationError('timeout', `${subject}: no answer within ${timeoutMs} ms`, { effect: 'unknown', cause });
    throw new OperationError('connection-lost', `${subject}: ${(cause as Error).message}`, { effect: 'unknown', cause });
  }
  const refusal = message.headers && refusalFromHeaders((name) => message.headers!.get(name));
  return refusal ?? reply.decode(message.data);
}
