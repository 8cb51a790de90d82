/** The commands to agents, typed, with their named timeouts. */
import { isRefusal, type DeviceId, type Refusal } from '@godwit/kernel';
import type { AgentCalls } from '@godwit/handover';
import { call, type Call, type Log } from '@godwit/shell';
import {
  activateCommandCodec, activateReplyCodec, agentStatusCodec, copyCommandCodec, copyReplyCodec, doneCodec, feedCommandCodec, freezeCommandCodec, freezeReplyCodec, ownershipCommandCodec, pathReplyCodec, pathRequestCodec, prepareCommandCodec,
  prepareReplyCodec, runCommandCodec, shadowCommandCodec, stagedCommandCodec, stagedReplyCodec, SUBJECTS, throttleCommandCodec, unshadowCommandCodec,
  type ActivateCommand, type ActivateReply, type AgentStatus, type CopyCommand, type CopyReply, type Done, type FeedCommand, type FreezeCommand, type FreezeReply, type MessageCodec, type OwnershipCommand, type PrepareCommand, type PrepareReply, type RunCommand,
  type ShadowCommand, type StagedCommand, type StagedReply, type ThrottleCommand, type UnshadowCommand,
} from '@godwit/wire';
import type { NatsConnection } from '@nats-io/transport-node';

/** Longest answers: a preparation compiles, a run restores, a freeze copies. */
const TIMEOUTS = { run: 60_000, prepare: 25_000, copy: 40_000, freeze: 40_000, staged: 40_000, activate: 3_000, ownership: 3_000, throttle: 2_000, feed: 15_000, status: 2_000, path: 1_000 } as const;
/** A transfer does not wait longer than this for its turn. */
const LONGEST_WAIT_MS = 5_000;

export class NatsAgentCalls implements AgentCalls {
  constructor(private readonly nats: NatsConnection, private readonly log: Log) {}

  private ask<Request, Reply>(device: DeviceId, command: string, request: MessageCodec<Request>, reply: MessageCodec<Reply>, timeoutMs: number, value: Request): Promise<Reply | Refusal> {
    const spec: Call<Request, Reply> = { subject: SUBJECTS.agentCommand(device, command), request, reply, timeoutMs };
    return call(this.nats, spec, value);
  }
  run(device: DeviceId, command: RunCommand): Promise<Done | Refusal> {
    return this.ask(device, 'run', runCommandCodec, doneCodec, TIMEOUTS.run, command);
  }
  prepare(device: DeviceId, command: PrepareCommand): Promise<PrepareReply | Refusal> {
    return this.ask(device, 'prepare', prepareCommandCodec, prepareReplyCodec, TIMEOUTS.prepare, command);
  }
  copy(device: DeviceId, command: CopyCommand): Promise<CopyReply | Refusal> {
    return this.ask(device, 'copy', copyCommandCodec, copyReplyCodec, TIMEOUTS.copy, command);
  }
  freeze(device: DeviceId, command: FreezeCommand): Promise<FreezeReply | Refusal> {
    return this.ask(device, 'freeze', freezeCommandCodec, freezeReplyCodec, TIMEOUTS.freeze, command);
  }
  awaitStaged(device: DeviceId, command: StagedCommand): Promise<StagedReply | Refusal> {
    return this.ask(device, 'await-staged', stagedCommandCodec, stagedReplyCodec, TIMEOUTS.staged, command);
  }
  activate(device: DeviceId, command: ActivateCommand): Promise<ActivateReply | Refusal> {
    return this.ask(device, 'activate', activateCommandCodec, activateReplyCodec, TIMEOUTS.activate, command);
  }
  ownership(device: DeviceId, verb: 'thaw' | 'retire', command: OwnershipCommand): Promise<Done | Refusal> {
    return this.ask(device, verb, ownershipCommandCodec, doneCodec, TIMEOUTS.ownership, command);
  }
  throttle(device: DeviceId, command: ThrottleCommand): Promise<Done | Refusal> {
    return this.ask(device, 'throttle', throttleCommandCodec, doneCodec, TIMEOUTS.throttle, command);
  }
  shadow(device: DeviceId, command: ShadowCommand): Promise<PrepareReply | Refusal> {
    return this.ask(device, 'shadow', shadowCommandCodec, prepareReplyCodec, TIMEOUTS.prepare, command);
  }
  feed(device: DeviceId, command: FeedCommand): Promise<Done | Refusal> {
    return this.ask(device, 'feed', feedCommandCodec, doneCodec, TIMEOUTS.feed, command);
  }
  unshadow(device: DeviceId, command: UnshadowCommand): Promise<Done | Refusal> {
    return this.ask(device, 'unshadow', unshadowCommandCodec, doneCodec, TIMEOUTS.ownership, command);
  }
  status(device: DeviceId): Promise<AgentStatus | Refusal> {
    return this.ask(device, 'status', doneCodec, agentStatusCodec, TIMEOUTS.status, {});
  }

  /** state-transfer gives transfers their turn. Without its answer the move goes on: it schedules, it does not decide. */
  async waitForPath(source: DeviceId, target: DeviceId, sizeBytes: number): Promise<void> {
    try {
      const path = await call(this.nats, { subject: SUBJECTS.transferPath, request: pathRequestCodec, reply: pathReplyCodec, timeoutMs: TIMEOUTS.path }, { source, target, sizeBytes });
      if (isRefusal(path) || path.waitMs <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(path.waitMs, LONGEST_WAIT_MS)));
    } catch (error) {
      this.log.warn({ source, target, err: error }, 'no path from state-transfer');
    }
  }
}
