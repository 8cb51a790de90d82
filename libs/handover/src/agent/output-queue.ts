/**
 * A thread's outputs on their way into the journal.
 *
 * Invariants (H2 and H3 of `thread-host.ts`): O1. An output leaves `unacked` only when the journal has it. O2. Outputs of
 * a thread that is not deterministic wait in `held` until a durable checkpoint covers them.
 */
import { refuse, type Refusal } from '@godwit/kernel';
import type { AppendOutcome, FencedAppender } from '@godwit/journal';
import type { ThreadOutput } from '@godwit/snapshot';

export interface OutputEvents {
  /** The journal has it, under this appender's epoch or an earlier one. */
  onAcked(output: ThreadOutput, appender: FencedAppender, outcome: AppendOutcome & { readonly seq: number }): void;
  onFenced(): void;
  onFault(refusal: Refusal): void;
}

export class OutputQueue {
  private unacked: ThreadOutput[] = [];
  private held: ThreadOutput[] = [];
  private appender: FencedAppender | undefined;

  constructor(private readonly deterministic: boolean, private readonly events: OutputEvents) {}

  /** What a snapshot must carry: made, and not known to be in the journal. */
  pending(): ThreadOutput[] {
    return [...this.unacked, ...this.held];
  }
  /** What a checkpoint taken from now on covers; `release` it when that is durable. */
  uncovered(): ThreadOutput[] {
    return [...this.held];
  }
  get length(): number {
    return this.unacked.length + this.held.length;
  }
  get unackedLength(): number {
    return this.unacked.length;
  }

  /** From now on appends go through this one. What was not acknowledged is appended again by `again`. */
  adopt(appender: FencedAppender): void {
    this.appender = appender;
  }
  again(): void {
    const outputs = this.unacked;
    this.unacked = [];
    for (const output of outputs) this.append(output);
  }

  made(output: ThreadOutput): void {
    if (this.deterministic) this.append(output);
    else this.held.push(output);
  }

  release(covered: readonly ThreadOutput[]): void {
    this.held = this.held.slice(covered.length);
    for (const output of covered) this.append(output);
  }

  append(output: ThreadOutput): void {
    this.unacked.push(output);
    const appender = this.appender;
    if (!appender) return;
    appender.appendOutputs([output]).then(
      (outcome) => this.onAppended(appender, output, outcome),
      (error: Error) => this.events.onFault(refuse('connection-lost', `output ${output.n}: ${error.message}`)),
    );
  }

  private onAppended(appender: FencedAppender, output: ThreadOutput, outcome: AppendOutcome): void {
    if (appender !== this.appender) return; // of an epoch that has ended; `again` appends what was not acknowledged
    if (outcome.result === 'fenced') return this.events.onFenced();
    if (outcome.result === 'diverged') return this.events.onFault(outcome.refusal);
    this.unacked = this.unacked.filter(({ n }) => n !== output.n);
    this.events.onAcked(output, appender, outcome);
  }
}
