import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FastifyReply } from '../http/fastify.js';
import { type z } from 'zod';
import { isCode, refuse, type MigrationId } from '@godwit/kernel';
import { call } from '@godwit/shell';
import { migrateReplyCodec, migrateRequestCodec, SUBJECTS } from '@godwit/wire';
import type { Page } from '../doors/objects.js';
import { Needs } from '../http/access.js';
import { EventStreams, type StreamedEvent } from '../http/event-stream.js';
import { jsonSchemaOf } from '../http/open-api.js';
import { DEFAULT_LIMIT, lastEventId, migrationsQuery, migrationsStreamQuery, pathId } from '../http/parameters.js';
import { refused, RefusedError, unlessRefused } from '../http/refused.js';
import { MigrationView, type MigrationRecord } from '../views/migration-view.js';

export const CONNECTION = Symbol('connection');
/** The controller answers when it has planned the migration, or refused to. */
const MIGRATE_TIMEOUT_MS = 5_000;

@ApiTags('migrations')
@Controller('v1/migrations')
export class MigrationsController {
  constructor(
    @Inject(CONNECTION) private readonly nats: NatsConnection,
    @Inject(MigrationView) private readonly view: MigrationView,
    @Inject(EventStreams) private readonly streams: EventStreams,
  ) {}

  @Post()
  @Needs('operator')
  @ApiOperation({ summary: 'Ask for a thread to be moved to a device; answers with the migration that was planned' })
  @ApiBody({ schema: jsonSchemaOf(migrateRequestCodec.schema) })
  async migrate(@Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply): Promise<{ migration: string }> {
    const request = unlessRefused(migrateRequestCodec.fromJson(body));
    const answer = unlessRefused(await call(this.nats, { subject: SUBJECTS.migrate, request: migrateRequestCodec, reply: migrateReplyCodec, timeoutMs: MIGRATE_TIMEOUT_MS }, request));
    const { migration, code = '', reason = 'the controller gave no reason', field } = answer;
    if (!migration) throw new RefusedError(refuse(isCode(code) ? code : 'refused-by-policy', reason, field || undefined));
    void reply.code(202).header('location', `/v1/migrations/${migration}`);
    return { migration };
  }

  @Get()
  @Needs('viewer')
  @ApiOperation({ summary: 'Migrations, newest first' })
  list(@Query({ schema: migrationsQuery }) { thread, limit = DEFAULT_LIMIT, before }: z.output<typeof migrationsQuery>): Page<MigrationRecord> {
    const found = this.view.newest(limit + 1, thread, before);
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? items.at(-1)!.migration : null };
  }

  @Get('stream')
  @Needs('viewer')
  @ApiOperation({ summary: 'Every status of every migration, as server-sent events' })
  @ApiHeader({ name: 'Last-Event-ID', required: false })
  @ApiProduces('text/event-stream')
  async stream(@Query({ schema: migrationsStreamQuery }) query: z.output<typeof migrationsStreamQuery>, @Headers('last-event-id') lastId: string | undefined, @Res() reply: FastifyReply): Promise<void> {
    const afterSeq = lastEventId(lastId) ?? query.after ?? this.view.lastSeq;
    await this.streams.serve(reply, (signal) => statuses(this.view, afterSeq, query.thread, signal));
  }

  @Get(':id')
  @Needs('viewer')
  @ApiOperation({ summary: 'One migration with its phases' })
  one(@Param('id') id: string): MigrationRecord {
    return this.view.get(pathId<MigrationId>(id, 'migration')) ?? refused('not-found', `no migration ${id} is known`, 'migration');
  }
}

/** What the view holds after `afterSeq`, then what comes. */
export async function* statuses(view: MigrationView, afterSeq: number, thread: string | undefined, signal: AbortSignal): AsyncGenerator<StreamedEvent, void, void> {
  let lastSeq = afterSeq;
  let wake = (): void => undefined;
  const stop = view.onUpdate(() => wake());
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      const news = new Promise<void>((resolve) => { wake = resolve; });
      for (const { seq, status } of view.after(lastSeq)) {
        lastSeq = seq;
        if (thread === undefined || status.thread === thread) yield { id: seq, data: status };
      }
      // Nothing can have come since the list was taken without waking us, except while a slow client was written to.
      if (view.lastSeq <= lastSeq && !signal.aborted) await news;
    }
  } finally {
    stop();
    signal.removeEventListener('abort', onAbort);
  }
}
