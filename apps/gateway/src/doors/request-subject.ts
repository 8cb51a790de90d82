/**
 * Requests to threads by NATS: `godwit.request.<thread>`, answered like any service of NATS. The payload is one message;
 * headers `Godwit-Request-Id` (the same id again gets the same answer; a fresh one without) and `Godwit-Timeout-Ms`.
 *
 * The reply's payload is the answer's messages, one behind the other; its headers tell which output it is and where the
 * messages end: `Godwit-Request-Id`, `Godwit-Seq`, `Godwit-Output` (absent when the thread put out nothing for it) and
 * `Godwit-Messages`, `kind:bytes` for each. Refusals come as the headers of every Godwit service.
 */
import { isRefusal, OperationError, refuse, type DurationMs, type Refusal, type ThreadId } from '@godwit/kernel';
import type { Log } from '@godwit/shell';
import { refusalToHeaders, SUBJECTS } from '@godwit/wire';
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { accepted, RefusedError } from '../http/refused.js';
import { answerMs, DEFAULT_ANSWER_MS, pathId } from '../http/parameters.js';
import type { Answers, Answer } from './answers.js';
import type { InputDoor } from './input-door.js';
import type { Objects } from './objects.js';
import { unknownThread } from './told.js';

export interface RequestParts {
  readonly answers: Answers;
  readonly inputs: InputDoor;
  readonly objects: Pick<Objects, 'threadSpec'>;
  readonly log: Log;
}
interface Answered { readonly requestId: string; readonly seq: number; readonly answer: Answer }

/** Several gateways share the requests. @returns how to stop. */
export function serveRequests(nats: NatsConnection, parts: RequestParts): () => void {
  const subscription = nats.subscribe(SUBJECTS.request('*'), {
    queue: 'gateway',
    callback: (error, message) => {
      if (error) return parts.log.warn({ err: error }, 'subscription failed');
      void serve(message, parts);
    },
  });
  return () => { if (!nats.isClosed()) subscription.unsubscribe(); };
}

async function serve(message: Msg, parts: RequestParts): Promise<void> {
  // Without somebody who waits it is an input whose sender made a mistake: nothing is appended, so that nothing surprises.
  if (!message.reply) return parts.log.debug({ subject: message.subject }, 'a request without a reply subject; inputs go through the gateway');
  const outcome = await answered(message, parts);
  const reply = headers();
  if (isRefusal(outcome)) {
    refusalToHeaders(outcome, (name, value) => reply.set(name, value));
    return void message.respond(undefined, { headers: reply });
  }
  reply.set('Godwit-Request-Id', outcome.requestId);
  reply.set('Godwit-Seq', String(outcome.seq));
  const payloads = (outcome.answer?.messages ?? []).map(({ kind, payload }) => ({ kind, bytes: Buffer.from(payload, 'base64') }));
  if (outcome.answer) reply.set('Godwit-Output', String(outcome.answer.n));
  reply.set('Godwit-Messages', payloads.map(({ kind, bytes }) => `${kind}:${bytes.length}`).join(' '));
  message.respond(Buffer.concat(payloads.map(({ bytes }) => bytes)), { headers: reply });
}

async function answered(message: Msg, { answers, inputs, objects, log }: RequestParts): Promise<Answered | Refusal> {
  try {
    const thread = pathId<ThreadId>(message.subject.split('.')[2] ?? '', 'thread');
    const spec = objects.threadSpec(thread);
    if (!spec) return unknownThread(thread);
    const record = inputs.record(message.data, 'application/octet-stream', header(message, 'Godwit-Request-Id'));
    const timeoutMs: DurationMs = accepted(answerMs.optional(), header(message, 'Godwit-Timeout-Ms'), 'Godwit-Timeout-Ms') ?? DEFAULT_ANSWER_MS;
    return await answers.to(spec, () => inputs.append(spec, record), timeoutMs);
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal;
    if (error instanceof OperationError) return refuse(error.code, error.message);
    log.error({ subject: message.subject, err: error }, 'a request failed');
    return refuse('internal', 'the gateway failed at this request; its log says why');
  }
}

const header = (message: Msg, name: string): string | undefined => (message.headers?.has(name) ? message.headers.get(name) : undefined);
