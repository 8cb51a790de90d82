/** Checkpoints as the agent sees them: ask state-transfer for the right once per epoch, write to Redis, read back by manifest. */
import type { Refusal, ThreadId } from '@godwit/kernel';
import type { CheckpointRecord } from '@godwit/journal';

export interface CheckpointWriter {
  /** @returns how many chunks were written, or why it was refused. @throws OperationError when Redis fails. */
  write(thread: ThreadId, checkpoint: { readonly epoch: number; readonly k: number; readonly parts: readonly Uint8Array[] }): Promise<{ readonly chunks: number } | Refusal>;
  /** The encoded snapshot, verified against the manifest. */
  read(thread: ThreadId, manifest: CheckpointRecord): Promise<Uint8Array | Refusal>;
}
