/** Registration through REST: as good as publishing the event, and refused for the same reasons. */
import { Body, Controller, Delete, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { DeviceId, ThreadId } from '@godwit/kernel';
import type { EventName, RegistryEvent } from '@godwit/registry';
import {
  applicationSpecCodec, decodeEvent, deviceSpecCodec, loadForecastCodec, maintenanceCodec, reservationCodec, threadSpecCodec, type MessageCodec,
} from '@godwit/wire';
import { threadSpecJson } from '../doors/objects.js';
import { Registrar } from '../doors/registrar.js';
import { Needs } from '../http/access.js';
import { jsonSchemaOf } from '../http/open-api.js';
import { pathId } from '../http/parameters.js';
import { unlessRefused } from '../http/refused.js';

const Takes = (codec: MessageCodec<never>): MethodDecorator => ApiBody({ schema: jsonSchemaOf(codec.schema) });
const takes = <Spec>(codec: MessageCodec<Spec>): MethodDecorator => Takes(codec as unknown as MessageCodec<never>);

@ApiTags('registration')
@Controller('v1')
export class RegistrationsController {
  constructor(@Inject(Registrar) private readonly registrar: Registrar) {}

  @Post('devices')
  @Needs('admin')
  @ApiOperation({ summary: 'Register a device, or replace its registration' })
  @takes(deviceSpecCodec)
  device(@Body() body: unknown): Promise<unknown> {
    return this.register('device-registered', body);
  }

  @Post('applications')
  @Needs('admin')
  @ApiOperation({ summary: 'Register an application, or replace its registration' })
  @takes(applicationSpecCodec)
  application(@Body() body: unknown): Promise<unknown> {
    return this.register('application-registered', body);
  }

  @Post('threads')
  @Needs('admin')
  @ApiOperation({ summary: 'Register a thread of an application' })
  @takes(threadSpecCodec)
  thread(@Body() body: unknown): Promise<unknown> {
    return this.register('thread-registered', body);
  }

  @Post('reservations')
  @Needs('admin')
  @ApiOperation({ summary: 'Reserve capacity of a device for an interval' })
  @takes(reservationCodec)
  reservation(@Body() body: unknown): Promise<unknown> {
    return this.register('reservation-registered', body);
  }

  @Post('load-forecasts')
  @Needs('admin')
  @ApiOperation({ summary: 'Announce demand that will come to a thread' })
  @takes(loadForecastCodec)
  loadForecast(@Body() body: unknown): Promise<unknown> {
    return this.register('load-forecast-registered', body);
  }

  @Post('maintenance')
  @Needs('admin')
  @ApiOperation({ summary: 'Announce a maintenance window of a device' })
  @takes(maintenanceCodec)
  maintenance(@Body() body: unknown): Promise<unknown> {
    return this.register('maintenance-registered', body);
  }

  @Delete('devices/:id')
  @Needs('admin')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a device' })
  async removeDevice(@Param('id') id: string): Promise<void> {
    await this.registrar.submit({ event: 'device-removed', id: pathId<DeviceId>(id, 'device') });
  }

  @Delete('threads/:id')
  @Needs('admin')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a thread' })
  async removeThread(@Param('id') id: string): Promise<void> {
    await this.registrar.submit({ event: 'thread-removed', id: pathId<ThreadId>(id, 'thread') });
  }

  /** The spec with its defaults, once it has effect. */
  private async register(name: EventName, body: unknown): Promise<unknown> {
    const event = unlessRefused(decodeEvent(name, Buffer.from(JSON.stringify(body ?? null)), { json: true }));
    await this.registrar.submit(event);
    return specJson(event);
  }
}

function specJson(event: RegistryEvent): unknown {
  if (!('spec' in event)) return { id: event.id };
  return event.event === 'thread-registered' ? threadSpecJson(event.spec) : event.spec;
}
