/** What an owner appends, as items of an `AppendQueue`, and how each is recognised when it is in the journal already. */
import { assert, refuse, type Refusal } from '@godwit/kernel';
import type { AppendOutcome, CheckpointRecord, Fence, FencedAppender, InRecord, IntentRecord, OutRecord } from '@godwit/journal';
import type { ThreadOutput } from '@godwit/snapshot';
import type { RequestId } from '@godwit/kernel';
import type { Appendable, AppendQueue } from './append-queue.js';

export type Appended =
  | { readonly type: 'out'; readonly record: OutRecord }
  | { readonly type: 'ck'; readonly record: CheckpointRecord }
  | { readonly type: 'intent'; readonly record: IntentRecord }
  | { readonly type: 'in'; readonly record: InRecord };

/** Makes an item of the wire's kind. `judge` gets the present record, decoded. @throws OperationError when it is too long to send. */
export type ToItem<Item> = (appended: Appended, judge: (present: Appended['record']) => 'same' | Refusal) => Item;

/** The appender port on a queue. */
export class QueuedAppender<Item extends Appendable<Present>, Present extends { readonly seq: number }> implements FencedAppender {
  private lastN: number | undefined;

  constructor(private readonly queue: AppendQueue<Item, Present>, private readonly item: ToItem<Item>) {}

  get fence(): Fence {
    return this.queue.fence;
  }
  get backlog(): number {
    return this.queue.backlog;
  }
  get refusedAppends(): number {
    return this.queue.refusedAppends;
  }

  async appendOutputs(outputs: readonly ThreadOutput[]): Promise<AppendOutcome> {
    assert(outputs.length > 0, 'appendOutputs: at least one output');
    outputs.forEach((output, i) => {
      const expected = i === 0 ? (this.lastN ?? output.n - 1) + 1 : outputs[i - 1]!.n + 1;
      assert(output.n === expected, `appendOutputs: output ${output.n} where ${expected} was due`);
    });
    const { epoch } = this.fence;
    const items = outputs.map((output) => this.item({ type: 'out', record: { ...output, epoch } }, (present) => sameOutput(present as OutRecord, output)));
    return this.queue.append(items, () => { this.lastN = outputs.at(-1)!.n; });
  }

  async appendCheckpoint(given: Omit<CheckpointRecord, 'epoch'>): Promise<AppendOutcome> {
    const record = { ...given, epoch: this.fence.epoch };
    return this.queue.append([this.item({ type: 'ck', record }, (present) => sameCheckpoint(present as CheckpointRecord, record))]);
  }

  async appendIntent(given: Omit<IntentRecord, 'epoch'>): Promise<AppendOutcome> {
    const record = { ...given, epoch: this.fence.epoch };
    return this.queue.append([this.item({ type: 'intent', record }, (present) => {
      const { migration } = present as IntentRecord;
      return migration === record.migration ? 'same' : refuse('conflict', `epoch ${record.epoch} has an intent already: migration ${migration}`, 'epoch');
    })]);
  }

  async appendTimer(requestId: RequestId): Promise<AppendOutcome> {
    const record: InRecord = { requestId, kind: 'timer', messages: [] };
    return this.queue.append([this.item({ type: 'in', record }, (present) =>
      (present as InRecord).kind === 'timer' ? 'same' : refuse('conflict', `${requestId} is the id of another input`, 'requestId'))]);
  }

  close(): void {
    this.queue.close();
  }
}

const sameOutput = (present: OutRecord, mine: ThreadOutput): 'same' | Refusal =>
  present.hash === mine.hash ? 'same'
    : refuse('output-diverged', `output ${mine.n} is in the journal with hash ${present.hash}, the thread now made ${mine.hash}`, 'hash');

const CONTENT = ['digest', 'cursorSeq', 'outN', 'chainHash', 'program'] as const;
function sameCheckpoint(present: CheckpointRecord, mine: CheckpointRecord): 'same' | Refusal {
  const field = CONTENT.find((name) => present[name] !== mine[name]);
  return field === undefined ? 'same'
    : refuse('conflict', `checkpoint ${mine.k} is in the journal with ${field} ${present[field]}, not ${mine[field]}`, field);
}
