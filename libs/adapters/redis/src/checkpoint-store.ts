/**
 * Checkpoints in Redis: each writes a base or a delta, in chunks. A cache of state, never the truth: the journal's manifest says which checkpoint counts
 * and what its digest is, so whatever is wrong here is noticed and answered with an older checkpoint.
 *
 * Keys, the thread in a hash tag so that a cluster holds them together:
 *   godwit:{<thread>}:ck:<k>:<i>  chunk i from 0     godwit:{<thread>}:cks  hash k → chunks, base     godwit:{<thread>}:epoch
 * Invariants: C1. A chunk of an older epoch than the stored one is refused by the script that would write it (for tidiness;
 * nothing rests on it). C2. Sizes are checked before memory is taken, each chunk's digest before it is used, the whole
 * digest before anything is handed out.
 */
import { isRefusal, OperationError, refuse, type Refusal, type Sha256, type Sha256Of, type ThreadId } from '@godwit/kernel';
import { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import { checkedChunk, chunkValues, DIGEST_BYTES, MAX_CHUNK_BYTES } from './chunks.js';
import { GRANT, WRITE_CHUNK, type Script } from './scripts.js';

export const CHUNK_BYTES = 256 * 1024;
/** Chunks under way at once, in writing and reading. */
const WINDOW = 16;
/** A snapshot is at most this long, and has at most so many chunks. */
export const MAX_CHECKPOINT_BYTES = 16 * 1024 ** 3;
const MAX_CHUNKS = 1_000_000;

export const REDIS_TIMEOUTS = {
  connectMs: 5_000,
  /** One command; then its effect is unknown. */
  commandMs: 5_000,
} as const;

export interface CheckpointWrite {
  readonly thread: ThreadId;
  readonly epoch: number;
  readonly k: number;
  /** The checkpoint whose part begins its chain; absent: this is a base. */
  readonly base?: number;
  /** The bytes in pieces; not changed meanwhile. */
  readonly parts: readonly Uint8Array[];
  /** Default 256 KiB. */
  readonly chunkBytes?: number;
  readonly sha256: Sha256Of;
}

/** What a checkpoint's manifest in the journal says about the bytes of one part. */
export interface CheckpointPlace {
  readonly chunks: number;
  readonly bytes: number;
  readonly digest: Sha256;
}

export interface CheckpointStore extends AsyncDisposable {
  /** What goes into the manifest; or Refusal `stale-epoch`. @throws OperationError; then part of it may be there. */
  writeCheckpoint(write: CheckpointWrite): Promise<CheckpointPlace | Refusal>;
  /** The bytes of one part; or Refusal `snapshot-damaged`, which names what is missing or altered. @throws OperationError */
  readCheckpoint(place: CheckpointPlace & { readonly thread: ThreadId; readonly k: number }): Promise<Uint8Array | Refusal>;
  /** Removes the thread's checkpoints with a smaller number, but what checkpoint `k` and later ones rest upon. */
  removeBelow(thread: ThreadId, k: number): Promise<{ readonly removed: number }>;
  /** From now on only this epoch or a newer one may write. */
  grantEpoch(thread: ThreadId, epoch: number): Promise<void | Refusal>;
  close(): Promise<void>;
}

/** @param prefix a tenant's, before all keys, such as `acme:`. @throws OperationError `connection-lost` */
export async function openCheckpointStore(options: { readonly url: string; readonly prefix?: string }): Promise<CheckpointStore> {
  const redis = new Redis(options.url, {
    lazyConnect: true, connectTimeout: REDIS_TIMEOUTS.connectMs, commandTimeout: REDIS_TIMEOUTS.commandMs,
    disconnectTimeout: 500, maxRetriesPerRequest: 2, retryStrategy: (attempt) => Math.min(50 * attempt, 1_000),
  });
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => { lastError = error; });
  const store = new RedisCheckpoints(redis, options.prefix ?? '');
  try {
    await redis.connect();
    await store.loadScripts();
  } catch (cause) {
    redis.disconnect();
    throw new OperationError('connection-lost', `Redis: ${(lastError ?? (cause as Error)).message}`, { effect: 'none', cause });
  }
  return store;
}

class RedisCheckpoints implements CheckpointStore {
  constructor(private readonly redis: Redis, private readonly prefix: string) {}

  private key(thread: ThreadId, rest: string): string { return `${this.prefix}godwit:{${thread}}:${rest}`; }
  private chunkKey(thread: ThreadId, k: number, i: number): string { return this.key(thread, `ck:${k}:${i}`); }

  async loadScripts(): Promise<void> {
    for (const { source } of [GRANT, WRITE_CHUNK]) await this.redis.script('LOAD', source);
  }

  async writeCheckpoint({ thread, epoch, k, base = k, parts, chunkBytes = CHUNK_BYTES, sha256 }: CheckpointWrite): Promise<CheckpointPlace | Refusal> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const chunks = Math.max(1, Math.ceil(bytes / chunkBytes));
    const wrong = outOfRange({ epoch, k, chunkBytes, bytes, chunks }) ?? (base > k ? refuse('invalid-field', `base: checkpoint ${base} is no base of ${k}`, 'base') : undefined);
    if (wrong) return wrong;
    const keys = [this.key(thread, 'epoch'), this.key(thread, 'cks')];
    const refusal = await inWindow(chunkValues(parts, chunkBytes), async (value, i) => {
      const held = await this.run(WRITE_CHUNK, [...keys, this.chunkKey(thread, k, i)], [epoch, k, chunks, value, base]);
      return held === 0 ? undefined : staleEpoch(thread, epoch, held);
    });
    return refusal ?? { chunks, bytes, digest: sha256(...parts) };
  }

  async readCheckpoint({ thread, k, chunks, bytes, digest }: CheckpointPlace & { readonly thread: ThreadId; readonly k: number }): Promise<Uint8Array | Refusal> {
    const wrong = outOfRange({ k, chunks, bytes });
    if (wrong) return wrong;
    const damaged = (what: string, field: string): Refusal => refuse('snapshot-damaged', `checkpoint ${k} of thread ${thread}: ${what}`, field);
    const sizes = await this.chunkSizes(thread, k, chunks, damaged);
    if (isRefusal(sizes)) return sizes;
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total !== bytes) return damaged(`its chunks add up to ${total} bytes, the manifest says ${bytes}`, 'bytes');
    const whole = Buffer.alloc(bytes);
    const starts = sizes.map(() => 0);
    for (let i = 1; i < chunks; i++) starts[i] = starts[i - 1]! + sizes[i - 1]!;
    const refusal = await inWindow(sizes, async (size, i) => {
      const value = await this.command(() => this.redis.getBuffer(this.chunkKey(thread, k, i)));
      if (value === null) return damaged(`chunk ${i} of ${chunks} is missing`, `chunks[${i}]`);
      const chunk = checkedChunk(value);
      if (!chunk || chunk.length !== size) return damaged(`chunk ${i} of ${chunks} is altered`, `chunks[${i}]`);
      whole.set(chunk, starts[i]);
      return undefined;
    });
    if (refusal) return refusal;
    const found = createHash('sha256').update(whole).digest('hex');
    return found === digest ? whole : damaged(`its digest is ${found}, the manifest says ${digest}`, 'digest');
  }

  /** Of the bytes, without the chunks' own digests. Nothing but the sizes is read. */
  private async chunkSizes(thread: ThreadId, k: number, chunks: number, damaged: (what: string, field: string) => Refusal): Promise<number[] | Refusal> {
    const sizes: number[] = [];
    const refusal = await inWindow(countTo(chunks), async (i) => {
      const length = await this.command(() => this.redis.strlen(this.chunkKey(thread, k, i)));
      if (length === 0) return damaged(`chunk ${i} of ${chunks} is missing`, `chunks[${i}]`);
      if (length < DIGEST_BYTES || length > MAX_CHUNK_BYTES + DIGEST_BYTES) return damaged(`chunk ${i} of ${chunks} has an impossible length of ${length} bytes`, `chunks[${i}]`);
      sizes[i] = length - DIGEST_BYTES;
      return undefined;
    });
    return refusal ?? sizes;
  }

  async removeBelow(thread: ThreadId, k: number): Promise<{ removed: number }> {
    const list = this.key(thread, 'cks');
    const stored = await this.command(() => this.redis.hgetall(list));
    // Entries of older versions name no base.
    const known = Object.entries(stored).map(([number, entry]) => ({ number, at: Number(number), chunks: parseInt(entry, 10), base: Number(entry.split(' ')[1] ?? number) }));
    const keptFrom = known.filter(({ at }) => at >= k).reduce((least, { base }) => Math.min(least, base), k);
    const older = known.filter(({ at }) => at < keptFrom);
    for (const { number, at, chunks } of older) {
      for (let i = 0; i < chunks; i += 256) {
        const keys = Array.from({ length: Math.min(256, chunks - i) }, (_, j) => this.chunkKey(thread, at, i + j));
        await this.command(() => this.redis.unlink(...keys));
      }
      // Last, so that an interrupted removal is found again.
      await this.command(() => this.redis.hdel(list, number));
    }
    return { removed: older.length };
  }

  async grantEpoch(thread: ThreadId, epoch: number): Promise<void | Refusal> {
    const wrong = outOfRange({ epoch });
    if (wrong) return wrong;
    const held = await this.run(GRANT, [this.key(thread, 'epoch')], [epoch]);
    return held > epoch ? staleEpoch(thread, epoch, held) : undefined;
  }

  private async run(script: Script, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<number> {
    const evaluate = (): Promise<unknown> => this.redis.evalsha(script.sha1, keys.length, ...keys, ...args);
    return this.command(async () => {
      try {
        return Number(await evaluate());
      } catch (error) {
        // A server that was started again has forgotten the scripts.
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
        await this.loadScripts();
        return Number(await evaluate());
      }
    });
  }

  private async command<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const { name, message } = cause as Error;
      if (name === 'ReplyError') throw new OperationError('append-refused', `Redis: ${message}`, { effect: 'none', cause });
      throw new OperationError(message === 'Command timed out' ? 'timeout' : 'connection-lost', `Redis: ${message}`, { effect: 'unknown', retryAfterMs: 1_000, cause });
    }
  }

  async close(): Promise<void> {
    if (this.redis.status === 'ready') await this.redis.quit();
    else this.redis.disconnect();
  }
  [Symbol.asyncDispose](): Promise<void> { return this.close(); }
}

const LEAST = { epoch: 1, k: 1, chunks: 1, chunkBytes: 1, bytes: 0 } as const;
const MOST: Partial<Record<keyof typeof LEAST, number>> = { chunkBytes: MAX_CHUNK_BYTES, bytes: MAX_CHECKPOINT_BYTES, chunks: MAX_CHUNKS };
function outOfRange(given: Partial<Record<keyof typeof LEAST, number>>): Refusal | undefined {
  for (const [field, value] of Object.entries(given) as [keyof typeof LEAST, number][]) {
    const most = MOST[field] ?? Number.MAX_SAFE_INTEGER;
    if (!Number.isSafeInteger(value) || value < LEAST[field] || value > most) return refuse('invalid-field', `${field}: a whole number from ${LEAST[field]} to ${most} expected, ${value} given`, field);
  }
  return undefined;
}

const staleEpoch = (thread: ThreadId, epoch: number, held: number): Refusal =>
  refuse('stale-epoch', `thread ${thread}: epoch ${epoch} may not write, epoch ${held} holds the right`, 'epoch');

/** Works on the items, at most `WINDOW` at once; the first refusal or failure ends it, and what is under way is waited for. */
async function inWindow<Item>(items: Iterable<Item>, work: (item: Item, index: number) => Promise<Refusal | undefined>): Promise<Refusal | undefined> {
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let refusal: Refusal | undefined;
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !refusal && !failure; next = iterator.next()) {
      try {
        const found = await work(next.value, index++);
        refusal ??= found;
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, worker));
  if (failure) throw failure.error;
  return refusal;
}

function* countTo(end: number): Generator<number, void, void> {
  for (let i = 0; i < end; i++) yield i;
}
