/** The shadows that this device holds, at most one for each thread. */
import { isRefusal, OperationError, type Refusal, type ThreadId } from '@godwit/kernel';
import type { ShadowCommand, ShadowStatus, UnshadowCommand } from '@godwit/migration';
import type { ThreadSpec } from '@godwit/registry';
import type { ThreadProgram } from '@godwit/runtime';
import type { BulkPaths, Runner } from '../ports.js';
import { ShadowHost, type ShadowParts } from './shadow-host.js';

export interface ShadowsParts extends Omit<ShadowParts, 'onUseless'> {
  readonly bulk: BulkPaths;
  /** Is there room and capability for it, and the program? */
  readonly admit: (spec: ThreadSpec) => Promise<ThreadProgram | Refusal>;
  readonly takeRunner: () => Promise<Runner>;
}

export class Shadows {
  private readonly held = new Map<ThreadId, ShadowHost>();
  private readonly arranging = new Map<ThreadId, Promise<Refusal | undefined>>();

  constructor(private readonly parts: ShadowsParts) {}

  /** Bytes that shadows may take here, but for the one of this thread. */
  memoryBytesWithout(thread: ThreadId): number {
    return [...this.held.values()].reduce((sum, { spec }) => sum + (spec.thread === thread ? 0 : spec.limits.memoryBytes), 0);
  }
  /** Ends shadows until they take no more than so many bytes; whoever wants them arranges them elsewhere. Not that of `thread`. */
  makeRoom(mostBytes: number, thread: ThreadId): void {
    for (const { spec } of [...this.held.values()].sort((a, b) => b.spec.limits.memoryBytes - a.spec.limits.memoryBytes)) {
      if (this.memoryBytesWithout(thread) <= mostBytes) return;
      if (spec.thread === thread) continue;
      this.parts.log.warn({ thread: spec.thread, for: thread }, 'a shadow gives its room to a thread');
      this.end(spec.thread);
    }
  }
  statuses(): ShadowStatus[] {
    return [...this.held.values()].map((shadow) => shadow.status());
  }

  /** Holds a shadow of the thread, and lets its owner in to feed it; the one that is there already goes on with a new feed. */
  async arrange(command: ShadowCommand): Promise<Refusal | undefined> {
    const { thread } = command.spec;
    await this.arranging.get(thread);
    const present = this.held.get(thread);
    if (present?.id === command.shadow) return undefined; // asked again
    if (present && present.spec.program === command.spec.program) {
      this.parts.bulk.forget(present.id);
      present.reorder(command);
      this.expect(present, command);
      return undefined;
    }
    const work = this.prepare(command).finally(() => this.arranging.delete(thread));
    this.arranging.set(thread, work);
    return work;
  }

  private async prepare(command: ShadowCommand): Promise<Refusal | undefined> {
    this.end(command.spec.thread);
    const program = await this.parts.admit(command.spec);
    if (isRefusal(program)) return program;
    const { device, clock, log } = this.parts;
    const shadow = new ShadowHost(command, await this.parts.takeRunner(), { device, clock, log, onUseless: (useless, reason) => this.useless(useless, reason) });
    try {
      const refusal = await shadow.prepare(program);
      if (refusal) shadow.end();
      if (refusal) return refusal;
    } catch (error) {
      shadow.end();
      throw error;
    }
    this.held.set(command.spec.thread, shadow);
    this.expect(shadow, command);
    return undefined;
  }

  private expect(shadow: ShadowHost, { shadow: id, transferKey }: ShadowCommand): void {
    this.parts.bulk.expect(id, transferKey, (link) => {
      shadow.follow(link).catch((error: unknown) => {
        if (!(error instanceof OperationError)) throw error;
        link.destroy();
        this.parts.log.warn({ thread: shadow.spec.thread, reason: error.message }, 'shadow does not follow');
      });
    });
  }

  private useless(shadow: ShadowHost, reason: string): void {
    this.parts.log.warn({ thread: shadow.spec.thread, shadow: shadow.id, reason }, 'a shadow is of no use any more');
    if (this.held.get(shadow.spec.thread) === shadow) this.end(shadow.spec.thread);
  }

  /** Hands it over to whoever promotes it: it is no shadow any more. */
  take(thread: ThreadId): ShadowHost | undefined {
    const shadow = this.held.get(thread);
    this.held.delete(thread);
    if (shadow) this.parts.bulk.forget(shadow.id);
    return shadow;
  }

  dismiss({ thread, shadow }: UnshadowCommand): void {
    if (this.held.get(thread)?.id === shadow) this.end(thread);
  }
  end(thread: ThreadId): void {
    this.take(thread)?.end();
  }
  close(): void {
    for (const thread of [...this.held.keys()]) this.end(thread);
  }
}
