import { Controller, Inject } from '@nestjs/common';
import type { Refusal, ThreadId } from '@godwit/kernel';
import { Handles } from '@godwit/shell';
import { graphAnswerCodec, graphQueryCodec, SUBJECTS, type GraphAnswer, type GraphQuery } from '@godwit/wire';
import { GraphKeeper } from './graph-keeper.js';

@Controller()
export class GraphController {
  constructor(@Inject(GraphKeeper) private readonly keeper: GraphKeeper) {}

  @Handles(SUBJECTS.graphQuery, graphQueryCodec, graphAnswerCodec, 'dependency-graph')
  query({ thread }: GraphQuery): GraphAnswer | Refusal {
    return this.keeper.query(thread as ThreadId | '');
  }
}
