/** Why things happen: decisions with their reasons, and the forecasts behind them. */
import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type z } from 'zod';
import type { Decision, Settlement } from '@godwit/decision';
import type { ForecastMessage } from '@godwit/wire';
import { Objects, type Page } from '../doors/objects.js';
import { Needs } from '../http/access.js';
import { DEFAULT_LIMIT, decisionsQuery, pathId } from '../http/parameters.js';
import { refused } from '../http/refused.js';
import { DecisionView, type DecisionEntry } from '../views/decision-view.js';
import { ForecastView, type ForecastKind } from '../views/forecast-view.js';

export type DecisionJson = Omit<Decision, 'risk'> & { readonly riskRatio: number; readonly settlement: Settlement | null };

const decisionJson = ({ decision: { risk, ...rest }, settlement }: DecisionEntry): DecisionJson => ({ ...rest, riskRatio: risk, settlement: settlement ?? null });

@ApiTags('decisions')
@Controller('v1')
export class DecisionsController {
  constructor(
    @Inject(DecisionView) private readonly decisions: DecisionView,
    @Inject(ForecastView) private readonly forecasts: ForecastView,
    @Inject(Objects) private readonly objects: Objects,
  ) {}

  @Get('decisions')
  @Needs('viewer')
  @ApiOperation({ summary: 'Decisions with reasons, candidates and settlements, newest first' })
  list(@Query({ schema: decisionsQuery }) { thread, limit = DEFAULT_LIMIT, before }: z.output<typeof decisionsQuery>): Page<DecisionJson> {
    const found = this.decisions.newest(limit + 1, thread, before);
    const items = found.slice(0, limit);
    return { items: items.map(decisionJson), next: found.length > limit ? String(items.at(-1)!.seq) : null };
  }

  @Get('forecasts/devices/:id')
  @Needs('viewer')
  @ApiOperation({ summary: 'Newest forecasts of a device, one for each resource' })
  async device(@Param('id') id: string): Promise<{ items: ForecastMessage[] }> {
    const known = await this.objects.device(pathId(id, 'device'));
    return this.newest('device', id, known !== undefined);
  }

  @Get('forecasts/threads/:id')
  @Needs('viewer')
  @ApiOperation({ summary: 'Newest forecasts of a thread, one for each resource' })
  thread(@Param('id') id: string): { items: ForecastMessage[] } {
    return this.newest('thread', id, this.objects.threadSpec(pathId(id, 'thread')) !== undefined);
  }

  private newest(kind: ForecastKind, id: string, known: boolean): { items: ForecastMessage[] } {
    if (!known) refused('not-found', `${kind} ${id} is not registered`, kind);
    return { items: this.forecasts.of(kind, id) };
  }
}
