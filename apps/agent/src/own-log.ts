/**
 * What this device keeps on its own disk, so that a broker that went backwards is noticed and can be repaired: epochs
 * adopted, own appends above the last two checkpoints, the highest sequence seen. The epoch is on disk before a thread
 * runs; the rest follows without being waited for, since the broker has it too.
 */
import { outRecordCodec } from '@godwit/wire';
import type { Refusal, ShardId } from '@godwit/kernel';
import { journalSubjects, type Fence, type ThreadAddress } from '@godwit/journal';
import type { LocalLog } from '@godwit/nats';
import type { Log } from '@godwit/shell';
import type { ThreadOutput } from '@godwit/snapshot';

const subjects = journalSubjects();

export class OwnLog {
  constructor(private readonly file: LocalLog, private readonly log: Log) {}

  async adopted(at: ThreadAddress, fence: Fence): Promise<void> {
    await this.file.noteEpoch(at, fence.epoch, fence.ownSeq);
    this.note(this.file.noteSeen(at.shard, fence.ownSeq));
  }
  appended(at: ThreadAddress, { epoch }: Fence, output: ThreadOutput, seq: number): void {
    this.note(this.file.noteAppend(at, { subject: subjects.output(at, output.n), seq, payload: outRecordCodec.encode({ ...output, epoch }) }));
    this.note(this.file.noteSeen(at.shard, seq));
  }
  checkpointed(at: ThreadAddress, seq: number): void {
    this.note(this.file.noteCheckpoint(at, seq));
  }
  /** @returns why the shard must not be trusted, or nothing. */
  regression(shard: ShardId, lastSeq: number): Refusal | undefined {
    return this.file.checkRegression(shard, lastSeq);
  }
  private note(written: Promise<void>): void {
    written.catch((error: Error) => this.log.error({ err: error }, 'own log not written'));
  }
}
