import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type z } from 'zod';
import type { ApplicationSpec } from '@godwit/registry';
import { Objects, type DeviceJson, type Page, type ThreadJson } from '../doors/objects.js';
import { Needs } from '../http/access.js';
import { DEFAULT_LIMIT, listQuery, pathId } from '../http/parameters.js';
import { refused } from '../http/refused.js';

type ListQuery = z.output<typeof listQuery>;
const range = ({ after, limit }: ListQuery): { after: string | undefined; limit: number } => ({ after, limit: limit ?? DEFAULT_LIMIT });

@ApiTags('objects')
@Controller('v1')
export class ObjectsController {
  constructor(@Inject(Objects) private readonly objects: Objects) {}

  @Get('devices')
  @Needs('viewer')
  @ApiOperation({ summary: 'Devices, with their newest samples, their forecasts in short and the threads they own' })
  devices(@Query({ schema: listQuery }) query: ListQuery): Promise<Page<DeviceJson>> {
    return this.objects.devices(range(query));
  }

  @Get('devices/:id')
  @Needs('viewer')
  @ApiOperation({ summary: 'One device' })
  async device(@Param('id') id: string): Promise<DeviceJson> {
    return (await this.objects.device(pathId(id, 'device'))) ?? refused('not-found', `device ${id} is not registered`, 'device');
  }

  @Get('applications')
  @Needs('viewer')
  @ApiOperation({ summary: 'Applications and their threads' })
  applications(@Query({ schema: listQuery }) query: ListQuery): Page<ApplicationSpec & { threads: string[] }> {
    return this.objects.applications(range(query));
  }

  @Get('threads')
  @Needs('viewer')
  @ApiOperation({ summary: 'Threads, with owner, state, newest samples and forecasts in short' })
  threads(@Query({ schema: listQuery }) query: ListQuery): Promise<Page<ThreadJson>> {
    return this.objects.threads(range(query));
  }

  @Get('threads/:id')
  @Needs('viewer')
  @ApiOperation({ summary: 'One thread' })
  async thread(@Param('id') id: string): Promise<ThreadJson> {
    return (await this.objects.thread(pathId(id, 'thread'))) ?? refused('not-found', `thread ${id} is not registered`, 'thread');
  }
}
