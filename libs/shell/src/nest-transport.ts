/**
 * Our own Nest transport: handlers see validated core types and answer with core types or a Refusal. Bytes that are no
 * message are answered with the refusal and never reach a handler. Samples and pages do not come this way.
 */
import { refuse, isRefusal } from '@godwit/kernel';
import { refusalToHeaders, type MessageCodec } from '@godwit/wire';
import { MessagePattern, Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { lastValueFrom } from 'rxjs';
import type { Log } from './log.js';

interface Route {
  readonly request: MessageCodec<unknown>;
  readonly reply: MessageCodec<unknown>;
  readonly queue: string | undefined;
}

/** @param subject may hold `{name}` parts that the strategy fills in, such as the device of an agent. @param queue shares the work among replicas. */
export const Handles = <Request, Reply>(subject: string, request: MessageCodec<Request>, reply: MessageCodec<Reply>, queue?: string): MethodDecorator =>
  MessagePattern(subject, undefined as never, { route: { request, reply, queue } });

export class NatsStrategy extends Server implements CustomTransportStrategy {
  constructor(private readonly nats: NatsConnection, private readonly log: Log, private readonly parts: Readonly<Record<string, string>> = {}) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    for (const [pattern, handler] of this.messageHandlers) {
      const route = (handler.extras as { route: Route }).route;
      const subject = pattern.replace(/\{(\w+)\}/g, (_all, name: string) => this.parts[name] ?? _all);
      const invoke = async (value: unknown): Promise<unknown> => {
        const result = (await handler(value as never, undefined as never)) as never;
        return lastValueFrom(this.transformToObservable(result));
      };
      this.nats.subscribe(subject, {
        ...(route.queue === undefined ? {} : { queue: route.queue }),
        callback: (error, message) => {
          if (error) return this.log.warn({ subject, err: error }, 'subscription failed');
          void this.answer(route, message, invoke);
        },
      });
    }
    callback();
  }

  private async answer(route: Route, message: Msg, invoke: (value: unknown) => Promise<unknown>): Promise<void> {
    const value = route.request.decode(message.data);
    let result: unknown;
    try {
      result = isRefusal(value) ? value : await invoke(value);
    } catch (cause) {
      this.log.error({ subject: message.subject, err: cause }, 'handler failed');
      result = refuse('internal', `${message.subject}: ${(cause as Error).message}`);
    }
    if (!message.reply) return;
    if (isRefusal(result)) {
      const reply = headers();
      refusalToHeaders(result, (name, text) => reply.set(name, text));
      message.respond(undefined, { headers: reply });
      return;
    }
    message.respond(route.reply.encode(result));
  }

  close(): void {
    // The connection belongs to the service, which drains it last.
  }
  on(): void {
    throw new Error('NatsStrategy has no events');
  }
  unwrap<T>(): T {
    return this.nats as T;
  }
}
