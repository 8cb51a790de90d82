/**
 * Puts the gateway together: follows the streams, listens to samples and forecasts, serves the API. Owns its own HTTP
 * server; the connection, the journal and the stores are given to it.
 */
import 'reflect-metadata';
import { type DynamicModule, Module, StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { isRefusal, type DurationMs, type Refusal, type ShardId } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import type { LocalLog, NatsLink, Programs } from '@godwit/nats';
import { followRegistry, systemClock, type Check, type Log, type RegistryFollower } from '@godwit/shell';
import { refusalOf, STREAMS, SUBJECTS } from '@godwit/wire';
import { z } from 'zod';
import { DecisionsController } from './controllers/decisions-controller.js';
import { GraphController } from './controllers/graph-controller.js';
import { JournalController } from './controllers/journal-controller.js';
import { CONNECTION, MigrationsController } from './controllers/migrations-controller.js';
import { ObjectsController } from './controllers/objects-controller.js';
import { PROGRAMS, ProgramsController } from './controllers/programs-controller.js';
import { RegistrationsController } from './controllers/registrations-controller.js';
import { Answers } from './doors/answers.js';
import { InputDoor } from './doors/input-door.js';
import { Objects } from './doors/objects.js';
import { Outputs } from './doors/outputs.js';
import { Owners } from './doors/owners.js';
import { serveRequests } from './doors/request-subject.js';
import { Registrar } from './doors/registrar.js';
import { MARK_REPEAT_MS, Told } from './doors/told.js';
import { followStream, type Followed } from './follow-stream.js';
import type { Tokens } from './http/access.js';
import { EventStreams } from './http/event-stream.js';
import { describeApi } from './http/open-api.js';
import { ProblemFilter } from './http/problem-filter.js';
import { RefusedError } from './http/refused.js';
import { createHttpServer } from './http/server.js';
import { DecisionView } from './views/decision-view.js';
import { ForecastView } from './views/forecast-view.js';
import { MigrationView } from './views/migration-view.js';
import { SamplesView } from './views/samples-view.js';
import { ShadowsView } from './views/shadows-view.js';
import { ThreadEventsView } from './views/thread-events-view.js';
import { Verdicts } from './views/verdicts.js';

export interface GatewayOptions {
  readonly link: NatsLink;
  readonly journal: Journal;
  readonly programs: Programs;
  /** Where it notes what it has told; closed by the gateway. */
  readonly localLog: LocalLog;
  readonly log: Log;
  readonly host: string;
  readonly port: number;
  readonly tokens?: Tokens;
  /** How long a registration waits for the controller. Default 15 s. */
  readonly verdictMs?: DurationMs;
  /** Default 15 s. */
  readonly heartbeatMs?: DurationMs;
}
export interface Gateway {
  /** Where it listens, such as `http://127.0.0.1:4600`. */
  readonly url: string;
  readonly checks: readonly Check[];
  /** Ends the streams, the server and the log; the connection stays open. */
  close(): Promise<void>;
}

@Module({})
class GatewayModule {}

/** Resolves when it listens; it has read the registry by then. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { link, log } = options;
  const verdicts = new Verdicts();
  const registry = await followRegistry({ nats: link.nc, log, onVerdict: (verdict) => verdicts.take(verdict) });
  const views: Views = {
    registry, verdicts,
    samples: new SamplesView(), forecasts: new ForecastView(), events: new ThreadEventsView(), shadows: new ShadowsView(systemClock.monotonicMs), migrations: new MigrationView(), decisions: new DecisionView(),
  };
  const follow = (stream: string, filters: readonly string[], take: Parameters<typeof followStream>[2]['take']): Followed => followStream(link, log, { stream, filters, take });
  const followed = [
    // Without the JSON twins.
    follow(STREAMS.migrations.name, ['godwit.migration.*.*'], (record) => views.migrations.take(record)),
    follow(STREAMS.decisions.name, STREAMS.decisions.subjects, (record) => views.decisions.take(record)),
  ];
  await Promise.all(followed.map(({ whenCaughtUp }) => whenCaughtUp));
  const stopListening = listen(options, views);
  const told = new Told({
    log: options.localLog, journal: options.journal,
    publish: (subject, payload) => { if (link.connected) link.nc.publish(subject, payload); },
    alarm: (shard, refusal) => log.fatal({ shard, code: refusal.code }, refusal.reason),
  });
  const stopTelling = await keepTelling(options, told, () => [...registry.registry.threads.values()].map(({ shard }) => shard));
  const streams = new EventStreams(options.heartbeatMs);
  const doors = openDoors(options, views, told);
  const stopRequests = serveRequests(link.nc, { ...doors, log });
  const app = await serveHttp(options, views, doors, told, streams);
  return {
    url: await app.getUrl(),
    checks: [
      { name: 'connection', failing: () => (link.connected ? undefined : 'disconnected') },
      { name: 'registry', failing: () => registry.failing() },
      { name: 'streams', failing: () => (followed.every(({ caughtUp }) => caughtUp) ? undefined : 'still reading') },
      { name: 'journal', failing: () => told.failing },
    ],
    async close() {
      stopTelling();
      stopListening();
      stopRequests();
      doors.answers.close();
      streams.closeAll();
      await app.close();
      await Promise.all([registry, ...followed].map((one) => one.stop()));
      await options.localLog.close();
    },
  };
}

interface Views {
  readonly registry: RegistryFollower;
  readonly verdicts: Verdicts;
  readonly samples: SamplesView;
  readonly forecasts: ForecastView;
  readonly events: ThreadEventsView;
  readonly shadows: ShadowsView;
  readonly migrations: MigrationView;
  readonly decisions: DecisionView;
}

/** Samples, forecasts and faults: core NATS, newest value only. */
function listen({ link, log }: GatewayOptions, views: Views): () => void {
  const subscribe = (subject: string, take: (subject: string, bytes: Uint8Array) => Refusal | undefined): (() => void) => {
    const subscription = link.nc.subscribe(subject, {
      callback: (error, message) => {
        const refusal = error ? undefined : take(message.subject, message.data);
        if (error) log.warn({ subject, err: error }, 'subscription failed');
        else if (isRefusal(refusal)) log.debug({ subject: message.subject, reason: refusal.reason }, 'skipped a message that is not of its kind');
      },
    });
    return () => { if (!link.nc.isClosed()) subscription.unsubscribe(); };
  };
  const stops = [
    subscribe(SUBJECTS.metrics('*'), (subject, bytes) => views.samples.take(subject.split('.')[2] ?? '', bytes)),
    subscribe(SUBJECTS.threadEvent('*'), (subject, bytes) => views.events.take(subject.split('.')[2] ?? '', bytes)),
    subscribe(SUBJECTS.shadow('*'), (subject, bytes) => views.shadows.take(subject.split('.')[2] ?? '', bytes)),
    subscribe('godwit.forecast.*.*', (subject, bytes) => views.forecasts.take(subject, bytes)),
    // The other resources of a device.
    subscribe('godwit.forecast.device.*.>', (subject, bytes) => views.forecasts.take(subject, bytes)),
  ];
  return () => { for (const stop of stops) stop(); };
}

/** Compares with the journal at the start and at each reconnection, and publishes the marks. */
async function keepTelling({ link, log }: GatewayOptions, told: Told, shards: () => Iterable<ShardId>): Promise<() => void> {
  await told.checkAll(shards());
  const stopWatching = link.onEvent((event) => {
    if (event.type !== 'reconnected') return;
    told.checkAll(shards()).catch((error: unknown) => log.warn({ err: error }, 'the journal could not be compared; it is compared again before its next use'));
  });
  const timer = setInterval(() => told.publishMarks(), MARK_REPEAT_MS);
  return () => {
    clearInterval(timer);
    stopWatching();
  };
}

interface Doors {
  readonly inputs: InputDoor;
  readonly outputs: Outputs;
  readonly answers: Answers;
  readonly objects: Objects;
}

function openDoors({ journal }: GatewayOptions, views: Views, told: Told): Doors {
  const outputs = new Outputs(journal, told);
  const owners = new Owners(journal, systemClock.monotonicMs);
  return {
    outputs, inputs: new InputDoor(journal, told), answers: new Answers(outputs, journal),
    objects: new Objects(views.registry, owners, views.migrations, views.samples, views.forecasts, views.events, views.shadows),
  };
}

async function serveHttp(options: GatewayOptions, views: Views, doors: Doors, told: Told, streams: EventStreams): Promise<NestFastifyApplication> {
  const { link, log } = options;
  const value = <T>(provide: unknown, useValue: T) => ({ provide: provide as never, useValue });
  const module: DynamicModule = {
    module: GatewayModule,
    controllers: [ProgramsController, RegistrationsController, ObjectsController, JournalController, MigrationsController, DecisionsController, GraphController],
    providers: [
      value(CONNECTION, link.nc), value(InputDoor, doors.inputs), value(Answers, doors.answers), value(PROGRAMS, options.programs), value(Told, told), value(EventStreams, streams),
      value(Objects, doors.objects), value(Outputs, doors.outputs),
      value(Registrar, new Registrar(link, views.verdicts, options.verdictMs)),
      value(MigrationView, views.migrations), value(DecisionView, views.decisions), value(ForecastView, views.forecasts),
    ],
  };
  const app = await NestFactory.create<NestFastifyApplication>(module, createHttpServer(options.tokens), { logger: false, abortOnError: false, bodyParser: false });
  app.useGlobalFilters(new ProblemFilter(log));
  app.useGlobalPipes(new StandardSchemaValidationPipe({
    exceptionFactory: (issues) => new RefusedError(refusalOf(new z.ZodError(issues as never), 'query')),
  }));
  describeApi(app, options.tokens !== undefined);
  await app.listen(options.port, options.host);
  return app;
}
