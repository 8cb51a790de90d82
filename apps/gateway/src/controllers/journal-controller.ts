/** The only doors for inputs from outside and outputs to outside. */
import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from '../http/fastify.js';
import { type z } from 'zod';
import type { ThreadId } from '@godwit/kernel';
import type { ThreadSpec } from '@godwit/registry';
import { Answers, type Answer } from '../doors/answers.js';
import { InputDoor, type InputReply } from '../doors/input-door.js';
import { inputsSchema } from '../doors/inputs.js';
import { Objects } from '../doors/objects.js';
import { Outputs, type OutputPage } from '../doors/outputs.js';
import { Told, unknownThread } from '../doors/told.js';
import { JSON_TYPE, Needs } from '../http/access.js';
import { EventStreams } from '../http/event-stream.js';
import { jsonSchemaOf } from '../http/open-api.js';
import { DEFAULT_ANSWER_MS, DEFAULT_LIMIT, lastEventId, outputsQuery, outputsStreamQuery, pathId, requestsQuery } from '../http/parameters.js';
import { RefusedError, unlessRefused } from '../http/refused.js';
import { RAW_INPUT_TYPES } from '../http/server.js';

@ApiTags('journal')
@Controller('v1/threads/:id')
export class JournalController {
  constructor(
    @Inject(InputDoor) private readonly inputs: InputDoor,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(Objects) private readonly objects: Objects,
    @Inject(Outputs) private readonly outputs: Outputs,
    @Inject(Told) private readonly told: Told,
    @Inject(EventStreams) private readonly streams: EventStreams,
  ) {}

  @Post('inputs')
  @Needs('operator', [JSON_TYPE, ...RAW_INPUT_TYPES])
  @ApiOperation({ summary: 'Append an input; the same request id again appends nothing (201 the first time, 200 then, 409 with other content)' })
  @ApiConsumes(JSON_TYPE, ...RAW_INPUT_TYPES)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'the request id, 1 to 64 of a-z, 0-9 and -' })
  @ApiBody({ schema: jsonSchemaOf(inputsSchema) })
  async input(@Param('id') id: string, @Body() body: unknown, @Headers() headers: Record<string, string>, @Res({ passthrough: true }) reply: FastifyReply): Promise<InputReply> {
    const spec = this.spec(id);
    const receipt = await this.inputs.append(spec, this.inputs.record(body, headers['content-type'], headers['idempotency-key']));
    void reply.code(receipt.duplicate ? 200 : 201);
    return receipt;
  }

  @Post('requests')
  @HttpCode(200)
  @Needs('operator', [JSON_TYPE, ...RAW_INPUT_TYPES])
  @ApiOperation({ summary: 'Append an input and wait for its answer: the first output that it causes, or null when the thread takes it and puts out nothing. The same request id again gets the same answer; 504 when the time is up, and the request goes on' })
  @ApiConsumes(JSON_TYPE, ...RAW_INPUT_TYPES)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'the request id, 1 to 64 of a-z, 0-9 and -' })
  @ApiBody({ schema: jsonSchemaOf(inputsSchema) })
  async request(
    @Param('id') id: string, @Body() body: unknown, @Headers() headers: Record<string, string>, @Query({ schema: requestsQuery }) query: z.output<typeof requestsQuery>,
  ): Promise<InputReply & { readonly answer: Answer }> {
    const spec = this.spec(id);
    const record = this.inputs.record(body, headers['content-type'], headers['idempotency-key']);
    return unlessRefused(await this.answers.to(spec, () => this.inputs.append(spec, record), query.timeoutMs ?? DEFAULT_ANSWER_MS));
  }

  @Get('outputs')
  @Needs('viewer')
  @ApiOperation({ summary: 'A page of outputs, in order' })
  page(@Param('id') id: string, @Query({ schema: outputsQuery }) query: z.output<typeof outputsQuery>): Promise<OutputPage> {
    const from = query.last === undefined ? { after: query.after ?? 0 } : { last: query.last };
    return this.outputs.page(this.spec(id), from, query.limit ?? DEFAULT_LIMIT);
  }

  @Get('outputs/stream')
  @Needs('viewer')
  @ApiOperation({ summary: 'Outputs as server-sent events; the id is the output number' })
  @ApiHeader({ name: 'Last-Event-ID', required: false })
  @ApiProduces('text/event-stream')
  async stream(
    @Param('id') id: string, @Query({ schema: outputsStreamQuery }) query: z.output<typeof outputsStreamQuery>,
    @Headers('last-event-id') lastId: string | undefined, @Res() reply: FastifyReply,
  ): Promise<void> {
    const spec = this.spec(id);
    const afterN = lastEventId(lastId) ?? query.after ?? 0;
    await this.told.guard(spec.shard);
    const { outputs } = this;
    await this.streams.serve(reply, async function* (signal) {
      for await (const output of outputs.follow(spec, afterN, signal)) yield { id: output.n, data: output };
    });
  }

  private spec(id: string): ThreadSpec {
    const spec = this.objects.threadSpec(pathId<ThreadId>(id, 'thread'));
    if (!spec) throw new RefusedError(unknownThread(id));
    return spec;
  }
}
