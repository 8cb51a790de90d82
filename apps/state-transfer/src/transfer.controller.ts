import { Controller, Inject } from '@nestjs/common';
import { OperationError, refuse, type Refusal } from '@godwit/kernel';
import { Handles } from '@godwit/shell';
import { grantReplyCodec, grantRequestCodec, pathReplyCodec, pathRequestCodec, SUBJECTS, type GrantReply, type GrantRequest, type PathReply, type PathRequest } from '@godwit/wire';
import { grant, type GrantPorts } from './grants.js';
import { TransferPaths } from './transfer-paths.js';

export const GRANT_PORTS = Symbol('grant-ports');

@Controller()
export class TransferController {
  constructor(@Inject(GRANT_PORTS) private readonly grants: GrantPorts, @Inject(TransferPaths) private readonly paths: TransferPaths) {}

  @Handles(SUBJECTS.transferGrant, grantRequestCodec, grantReplyCodec, 'state-transfer')
  async grant(request: GrantRequest): Promise<GrantReply | Refusal> {
    try {
      return await grant(this.grants, request);
    } catch (error) {
      if (error instanceof OperationError) return refuse(error.code, error.message);
      throw error;
    }
  }

  @Handles(SUBJECTS.transferPath, pathRequestCodec, pathReplyCodec, 'state-transfer')
  path(request: PathRequest): PathReply | Refusal {
    return this.paths.plan(request);
  }
}
