/** The protocol's own log on the device's disk: epochs adopted, own appends above the last two checkpoints, the highest sequence seen. */
import { outRecordCodec } from '@godwit/wire';
import type { ShardId } from '@godwit/kernel';
import { journalSubjects, type Fence, type ThreadAddress } from '@godwit/journal';
import type { OwnLog } from '@godwit/handover';
import type { LocalLog } from '@godwit/nats';
import type { Log } from '@godwit/shell';
import type { ThreadOutput } from '@godwit/snapshot';

const subjects = journalSubjects();

export class FileOwnLog implements OwnLog {
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
  adoptedEpoch(at: ThreadAddress): number {
    return this.file.newestEpoch(at)?.epoch ?? 0;
  }
  seen(shard: ShardId): number {
    return this.file.highestSeen(shard);
  }
  private note(written: Promise<void>): void {
    written.catch((error: Error) => this.log.error({ err: error }, 'own log not written'));
  }
}
