import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from './fastify.js';
import type { Log } from '@godwit/shell';
import { problemOfError } from './problem.js';
import { answer } from './server.js';

/** Everything that is thrown on the way of a request ends here, as problem details. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const problem = problemOfError(error);
    if (problem.code === 'internal') this.log.error({ err: error, method: request.method, route: request.routeOptions?.url }, 'a request failed by our own mistake');
    if (reply.sent) return;
    void answer(reply, problem);
  }
}
