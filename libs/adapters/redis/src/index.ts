export {
  CHUNK_BYTES, MAX_CHECKPOINT_BYTES, openCheckpointStore, REDIS_TIMEOUTS,
  type CheckpointPlace, type CheckpointStore, type CheckpointWrite,
} from './checkpoint-store.js';
