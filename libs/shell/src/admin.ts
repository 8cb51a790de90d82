/** The admin port that every service has: /livez, /readyz, /metrics, /version. Apart from any public API. */
import { Controller, Get, Inject, Res, Query } from '@nestjs/common';
import { Registry, collectDefaultMetrics } from 'prom-client';

/** One named condition of readiness: a reason when it does not hold. */
export type Check = { readonly name: string; readonly failing: () => string | undefined };
export const ADMIN = Symbol('admin');
export interface Admin {
  readonly service: string;
  readonly version: string;
  readonly checks: Check[];
  readonly metrics: Registry;
}
export function createAdmin(service: string, version: string): Admin {
  const metrics = new Registry();
  metrics.setDefaultLabels({ service });
  collectDefaultMetrics({ register: metrics });
  return { service, version, checks: [], metrics };
}
interface Reply { code(status: number): Reply; type(contentType: string): Reply; send(body: unknown): void }

@Controller()
export class AdminController {
  constructor(@Inject(ADMIN) private readonly admin: Admin) {}

  @Get('livez')
  livez(): string {
    return 'ok';
  }

  @Get('readyz')
  readyz(@Query('verbose') verbose: string | undefined, @Res() reply: Reply): void {
    const results = this.admin.checks.map(({ name, failing }) => ({ name, reason: failing() }));
    const ready = results.every(({ reason }) => reason === undefined);
    const lines = results.map(({ name, reason }) => (reason === undefined ? `[+] ${name} ok` : `[-] ${name} ${reason}`));
    reply.code(ready ? 200 : 503).type('text/plain').send(verbose === undefined && ready ? 'ok' : [...lines, ready ? 'ready' : 'not ready'].join('\n'));
  }

  @Get('metrics')
  async metrics(@Res() reply: Reply): Promise<void> {
    reply.type(this.admin.metrics.contentType).send(await this.admin.metrics.metrics());
  }

  @Get('version')
  version(): object {
    return { service: this.admin.service, version: this.admin.version, node: process.version };
  }
}
