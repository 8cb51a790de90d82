/** The agent's subjects. `{device}` is filled in by the transport. */
import { Controller, Inject } from '@nestjs/common';
import type { Refusal } from '@godwit/kernel';
import { Agent } from '@godwit/handover';
import { Handles } from '@godwit/shell';
import {
  activateCommandCodec, activateReplyCodec, agentStatusCodec, copyCommandCodec, copyReplyCodec, doneCodec, feedCommandCodec, freezeCommandCodec, freezeReplyCodec, ownershipCommandCodec, prepareCommandCodec, prepareReplyCodec,
  runCommandCodec, shadowCommandCodec, stagedCommandCodec, stagedReplyCodec, throttleCommandCodec, unshadowCommandCodec,
  type ActivateCommand, type ActivateReply, type AgentStatus, type CopyCommand, type CopyReply, type Done, type FeedCommand, type FreezeCommand, type FreezeReply, type OwnershipCommand, type PrepareCommand, type PrepareReply,
  type RunCommand, type ShadowCommand, type StagedCommand, type StagedReply, type ThrottleCommand, type UnshadowCommand,
} from '@godwit/wire';

@Controller()
export class CommandsController {
  constructor(@Inject(Agent) private readonly agent: Agent) {}

  @Handles('godwit.agent.{device}.run', runCommandCodec, doneCodec)
  run(command: RunCommand): Promise<Done | Refusal> {
    return this.agent.run(command);
  }
  @Handles('godwit.agent.{device}.prepare', prepareCommandCodec, prepareReplyCodec)
  prepare(command: PrepareCommand): Promise<PrepareReply | Refusal> {
    return this.agent.prepare(command);
  }
  @Handles('godwit.agent.{device}.copy', copyCommandCodec, copyReplyCodec)
  copy(command: CopyCommand): Promise<CopyReply | Refusal> {
    return this.agent.copy(command);
  }
  @Handles('godwit.agent.{device}.freeze', freezeCommandCodec, freezeReplyCodec)
  freeze(command: FreezeCommand): Promise<FreezeReply | Refusal> {
    return this.agent.freeze(command);
  }
  @Handles('godwit.agent.{device}.await-staged', stagedCommandCodec, stagedReplyCodec)
  awaitStaged(command: StagedCommand): Promise<StagedReply | Refusal> {
    return this.agent.awaitStaged(command);
  }
  @Handles('godwit.agent.{device}.activate', activateCommandCodec, activateReplyCodec)
  activate(command: ActivateCommand): Promise<ActivateReply | Refusal> {
    return this.agent.activate(command);
  }
  @Handles('godwit.agent.{device}.thaw', ownershipCommandCodec, doneCodec)
  thaw(command: OwnershipCommand): Promise<Done | Refusal> {
    return this.agent.thaw(command);
  }
  @Handles('godwit.agent.{device}.retire', ownershipCommandCodec, doneCodec)
  retire(command: OwnershipCommand): Promise<Done | Refusal> {
    return this.agent.retire(command);
  }
  @Handles('godwit.agent.{device}.throttle', throttleCommandCodec, doneCodec)
  throttle(command: ThrottleCommand): Done | Refusal {
    return this.agent.throttle(command);
  }
  @Handles('godwit.agent.{device}.shadow', shadowCommandCodec, prepareReplyCodec)
  shadow(command: ShadowCommand): Promise<PrepareReply | Refusal> {
    return this.agent.shadow(command);
  }
  @Handles('godwit.agent.{device}.feed', feedCommandCodec, doneCodec)
  feed(command: FeedCommand): Promise<Done | Refusal> {
    return this.agent.feed(command);
  }
  @Handles('godwit.agent.{device}.unshadow', unshadowCommandCodec, doneCodec)
  unshadow(command: UnshadowCommand): Done {
    return this.agent.unshadow(command);
  }
  @Handles('godwit.agent.{device}.status', doneCodec, agentStatusCodec)
  status(): AgentStatus {
    return this.agent.status();
  }
}
