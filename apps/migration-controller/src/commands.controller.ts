import { Controller, Inject } from '@nestjs/common';
import { ResourceManager } from '@godwit/handover';
import { Handles } from '@godwit/shell';
import { migrateReplyCodec, migrateRequestCodec, type MigrateReply, type MigrateRequest } from '@godwit/wire';

@Controller()
export class CommandsController {
  constructor(@Inject(ResourceManager) private readonly manager: ResourceManager) {}

  @Handles('godwit.controller.migrate', migrateRequestCodec, migrateReplyCodec, 'migration-controller')
  migrate(request: MigrateRequest): Promise<MigrateReply> {
    return this.manager.migrateByHand(request);
  }
}
