import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { NatsConnection } from '@nats-io/transport-node';
import { call } from '@godwit/shell';
import { graphAnswerCodec, graphQueryCodec, SUBJECTS, type GraphAnswer } from '@godwit/wire';
import { Objects } from '../doors/objects.js';
import { Needs } from '../http/access.js';
import { pathId } from '../http/parameters.js';
import { refused, unlessRefused } from '../http/refused.js';
import { CONNECTION } from './migrations-controller.js';

const GRAPH_TIMEOUT_MS = 3_000;

@ApiTags('graph')
@Controller('v1/graph')
export class GraphController {
  constructor(@Inject(CONNECTION) private readonly nats: NatsConnection, @Inject(Objects) private readonly objects: Objects) {}

  @Get()
  @Needs('viewer')
  @ApiOperation({ summary: 'Who consumes whose data, with rates' })
  all(): Promise<GraphAnswer> {
    return this.ask('');
  }

  @Get(':thread')
  @Needs('viewer')
  @ApiOperation({ summary: 'The graph around a thread: its dependents and the critical path through it' })
  around(@Param('thread') id: string): Promise<GraphAnswer> {
    if (!this.objects.threadSpec(pathId(id, 'thread'))) refused('not-found', `thread ${id} is not registered`, 'thread');
    return this.ask(id);
  }

  private async ask(thread: string): Promise<GraphAnswer> {
    return unlessRefused(await call(this.nats, { subject: SUBJECTS.graphQuery, request: graphQueryCodec, reply: graphAnswerCodec, timeoutMs: GRAPH_TIMEOUT_MS }, { thread }));
  }
}
