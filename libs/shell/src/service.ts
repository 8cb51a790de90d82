/**
 * The life of a service process: admin port up, subjects served, SIGTERM and SIGINT end it in order: not ready, handlers
 * closed, connection drained, exit 0. An unhandled failure is our mistake: it is logged, and the supervisor starts us anew.
 */
import 'reflect-metadata';
import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { NatsConnection } from '@nats-io/transport-node';
import { ADMIN, AdminController, createAdmin, type Check } from './admin.js';
import type { Log } from './log.js';
import { NatsStrategy } from './nest-transport.js';

export const VERSION = '0.1.0';

export interface ServiceOptions {
  readonly name: string;
  readonly log: Log;
  readonly nats: NatsConnection;
  readonly admin: { readonly host: string; readonly port: number };
  readonly providers: readonly Provider[];
  /** Controllers of the service's subjects. */
  readonly controllers: readonly Type[];
  /** Fills `{name}` parts of the subjects. */
  readonly subjectParts?: Readonly<Record<string, string>>;
  readonly checks?: readonly Check[];
  /** Ends what the service has begun; called once, before the connection is drained. */
  readonly close: () => Promise<void>;
}

@Module({})
class ServiceModule {}

/** Starts the service and answers when it serves. Prints one JSON line on stdout: `{"service","admin"}`. */
export async function runService(options: ServiceOptions): Promise<NestFastifyApplication> {
  const { name, log, nats } = options;
  const admin = createAdmin(name, VERSION);
  admin.checks.push({ name: 'nats', failing: () => (nats.isClosed() ? 'connection closed' : undefined) }, ...(options.checks ?? []));
  const module: DynamicModule = {
    module: ServiceModule,
    providers: [{ provide: ADMIN, useValue: admin }, ...options.providers],
    controllers: [AdminController, ...options.controllers],
  };
  const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), { logger: false, abortOnError: false });
  app.connectMicroservice({ strategy: new NatsStrategy(nats, log, options.subjectParts) });
  await app.startAllMicroservices();
  await app.listen(options.admin.port, options.admin.host);
  endOnSignals(app, options);
  process.stdout.write(`${JSON.stringify({ service: name, admin: await app.getUrl() })}\n`);
  log.info({ admin: await app.getUrl() }, 'serving');
  return app;
}

/** Longest time that an orderly end may take before the process leaves anyway. */
const END_MS = 8_000;

function endOnSignals(app: NestFastifyApplication, { log, nats, close }: ServiceOptions): void {
  let ending = false;
  const end = async (why: string, code: number): Promise<void> => {
    if (ending) return;
    ending = true;
    log.info({ why }, 'ending');
    setTimeout(() => process.exit(code === 0 ? 1 : code), END_MS).unref();
    try {
      await close();
      await app.close();
      await nats.drain().catch(() => nats.close()); // a broker that is gone cannot be waited for
    } catch (error) {
      log.error({ err: error }, 'did not end in order');
      process.exit(1);
    }
    process.exit(code);
  };
  process.on('SIGTERM', () => void end('SIGTERM', 0));
  process.on('SIGINT', () => void end('SIGINT', 0));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    void end('uncaught exception', 70);
  });
  process.on('unhandledRejection', (reason) => {
    log.fatal({ err: reason }, 'unhandled rejection');
    void end('unhandled rejection', 70);
  });
  void nats.closed().then((error) => {
    if (!ending) void end(`connection closed: ${error ? error.message : 'by the server'}`, 75);
  });
}
