/**
 * The agent's own small log: the newest epochs, its appends above the last two checkpoints of each thread, and the highest
 * sequence seen in each shard. The broker can go backwards silently (RELIABILITY 0.5); this is what tells, and what the
 * records can be appended from again.
 *
 * One line per note: CRC-32 in hexadecimal, a space, JSON. Invariants:
 *  G1. A note is on disk (fdatasync) when its promise resolves; notes made meanwhile share the next sync.
 *  G2. A torn last line is cut off at opening: its promise had not resolved. Damage before it is refused, not skipped.
 *  G3. Compaction writes a new file, syncs it, and renames it over the old one: at each moment one whole log is there.
 *  G4. After a write that failed, as on a full disk, the file is not trusted any more: the next note writes a whole new one.
 */
import { OperationError, refuse, type Refusal, type ShardId, type ThreadId } from '@godwit/kernel';
import type { ThreadAddress } from '@godwit/journal';
import { open, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';

/** An append that the broker has acknowledged. */
export interface LoggedAppend {
  readonly subject: string;
  readonly seq: number;
  readonly payload: Uint8Array;
}

export interface LocalLog extends AsyncDisposable {
  /** Before a thread is executed under this epoch. */
  noteEpoch(at: ThreadAddress, epoch: number, ownSeq: number): Promise<void>;
  noteAppend(at: ThreadAddress, append: LoggedAppend): Promise<void>;
  /** Forgets the appends that lie below the checkpoint before this one. @param seq journal sequence of the manifest */
  noteCheckpoint(at: ThreadAddress, seq: number): Promise<void>;
  /** Any record of the shard that was seen, own or not. Costs nothing when a higher one was noted. */
  noteSeen(shard: ShardId, seq: number): Promise<void>;
  /** The thread has left for good: nothing of it needs to be kept. */
  forget(at: ThreadAddress): Promise<void>;
  newestEpoch(at: ThreadAddress): { readonly epoch: number; readonly ownSeq: number } | undefined;
  appends(at: ThreadAddress): readonly LoggedAppend[];
  highestSeen(shard: ShardId): number;
  /** A Refusal `broker-regressed` when the shard's last sequence is below what was seen: stop, alarm, repair. */
  checkRegression(shard: ShardId, shardLastSeq: number): Refusal | undefined;
  close(): Promise<void>;
}

type Note =
  | { readonly note: 'epoch'; readonly shard: ShardId; readonly thread: ThreadId; readonly epoch: number; readonly ownSeq: number }
  | { readonly note: 'append'; readonly shard: ShardId; readonly thread: ThreadId; readonly subject: string; readonly seq: number; readonly payload: string }
  | { readonly note: 'checkpoint'; readonly shard: ShardId; readonly thread: ThreadId; readonly seq: number }
  | { readonly note: 'forget'; readonly shard: ShardId; readonly thread: ThreadId }
  | { readonly note: 'seen'; readonly shard: ShardId; readonly seq: number };

interface ThreadState {
  epoch: number;
  ownSeq: number;
  /** Of the last two checkpoints, older first. */
  checkpointSeqs: number[];
  appends: LoggedAppend[];
}

const key = ({ shard, thread }: ThreadAddress): string => `${shard}/${thread}`;

/** What the notes amount to. */
class LogState {
  readonly threads = new Map<string, ThreadState & ThreadAddress>();
  readonly seen = new Map<ShardId, number>();

  apply(note: Note): void {
    if (note.note === 'seen') return this.see(note.shard, note.seq);
    if (note.note === 'forget') return void this.threads.delete(key(note));
    let thread = this.threads.get(key(note));
    if (!thread) this.threads.set(key(note), (thread = { shard: note.shard, thread: note.thread, epoch: 0, ownSeq: 0, checkpointSeqs: [], appends: [] }));
    if (note.note === 'epoch') {
      if (note.epoch > thread.epoch) Object.assign(thread, { epoch: note.epoch, ownSeq: note.ownSeq });
      this.see(note.shard, note.ownSeq);
    } else if (note.note === 'append') {
      thread.appends.push({ subject: note.subject, seq: note.seq, payload: new Uint8Array(Buffer.from(note.payload, 'base64')) });
      this.see(note.shard, note.seq);
    } else {
      thread.checkpointSeqs = [...thread.checkpointSeqs, note.seq].slice(-2);
      const [older, newer] = thread.checkpointSeqs;
      if (newer !== undefined) thread.appends = thread.appends.filter(({ seq }) => seq >= older!);
      this.see(note.shard, note.seq);
    }
  }

  private see(shard: ShardId, seq: number): void {
    if (seq > (this.seen.get(shard) ?? 0)) this.seen.set(shard, seq);
  }

  /** The fewest notes that amount to the same. */
  notes(): Note[] {
    const notes: Note[] = [...this.seen].map(([shard, seq]) => ({ note: 'seen', shard, seq }));
    for (const { shard, thread, epoch, ownSeq, checkpointSeqs, appends } of this.threads.values()) {
      if (epoch > 0) notes.push({ note: 'epoch', shard, thread, epoch, ownSeq });
      for (const seq of checkpointSeqs) notes.push({ note: 'checkpoint', shard, thread, seq });
      for (const append of appends) notes.push(appendNote({ shard, thread }, append));
    }
    return notes;
  }
}

const appendNote = ({ shard, thread }: ThreadAddress, { subject, seq, payload }: LoggedAppend): Note =>
  ({ note: 'append', shard, thread, subject, seq, payload: Buffer.from(payload).toString('base64') });

function lineOf(note: Note): string {
  const text = JSON.stringify(note);
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
}
function noteOf(line: string): Note | undefined {
  const text = line.slice(9);
  return line[8] === ' ' && Number.parseInt(line.slice(0, 8), 16) === crc32(text) ? (JSON.parse(text) as Note) : undefined;
}

/** The notes of a log's text, and how many of its bytes hold whole lines. @throws OperationError when it is damaged inside. */
export function readNotes(bytes: Buffer, path: string): { readonly notes: Note[]; readonly wholeBytes: number } {
  const notes: Note[] = [];
  let wholeBytes = 0;
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, at);
    const note = end < 0 ? undefined : noteOf(bytes.toString('utf8', at, end));
    if (!note) {
      if (end >= 0 && end + 1 < bytes.length) {
        throw new OperationError('malformed-message', `${path}: the line at byte ${at} is damaged; put this log aside and let the device's threads be placed anew`, { effect: 'none' });
      }
      break;
    }
    notes.push(note);
    at = wholeBytes = end + 1;
  }
  return { notes, wholeBytes };
}

export interface LocalLogOptions {
  /** Absolute; its folder exists. */
  readonly path: string;
  /** The file is rewritten when it is longer than this and twice as long as needed. Default 4 MiB. */
  readonly compactAboveBytes?: number;
}

/** Opens or creates the log. @throws OperationError `malformed-message` (G2); errors of the file system as they come. */
export async function openLocalLog(options: LocalLogOptions): Promise<LocalLog> {
  const file = await open(options.path, 'a+', 0o600);
  const { notes, wholeBytes } = readNotes(await file.readFile(), options.path);
  await file.truncate(wholeBytes);
  await file.sync();
  await syncFolder(options.path);
  const state = new LogState();
  for (const note of notes) state.apply(note);
  return new FileLog(options.path, options.compactAboveBytes ?? 4 * 1024 * 1024, state, file, wholeBytes);
}

/** A new name is on disk only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
}

/** A new file that is on disk with all of its content, open for more. */
async function writtenWhole(path: string, content: Buffer): Promise<FileHandle> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

class FileLog implements LocalLog {
  private lines: string[] = [];
  private waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  private flushing: Promise<void> | undefined;
  /** After a failed write nobody knows what the file holds (fsync(2) forgets the error): the next note begins a new one (G4). */
  private doubtful = false;

  constructor(
    private readonly path: string, private readonly compactAboveBytes: number, private readonly state: LogState,
    private file: FileHandle, private fileBytes: number,
  ) {}

  noteEpoch(at: ThreadAddress, epoch: number, ownSeq: number): Promise<void> { return this.write({ note: 'epoch', shard: at.shard, thread: at.thread, epoch, ownSeq }); }
  noteAppend(at: ThreadAddress, append: LoggedAppend): Promise<void> { return this.write(appendNote(at, append)); }
  noteCheckpoint(at: ThreadAddress, seq: number): Promise<void> { return this.write({ note: 'checkpoint', shard: at.shard, thread: at.thread, seq }); }
  forget(at: ThreadAddress): Promise<void> { return this.write({ note: 'forget', shard: at.shard, thread: at.thread }); }
  async noteSeen(shard: ShardId, seq: number): Promise<void> {
    if (seq > this.highestSeen(shard)) await this.write({ note: 'seen', shard, seq });
  }

  newestEpoch(at: ThreadAddress): { epoch: number; ownSeq: number } | undefined {
    const thread = this.state.threads.get(key(at));
    return thread && thread.epoch > 0 ? { epoch: thread.epoch, ownSeq: thread.ownSeq } : undefined;
  }
  appends(at: ThreadAddress): readonly LoggedAppend[] { return this.state.threads.get(key(at))?.appends ?? []; }
  highestSeen(shard: ShardId): number { return this.state.seen.get(shard) ?? 0; }

  checkRegression(shard: ShardId, shardLastSeq: number): Refusal | undefined {
    const seen = this.highestSeen(shard);
    return shardLastSeq >= seen ? undefined
      : refuse('broker-regressed', `shard ${shard}: the broker's last record is ${shardLastSeq}, this device has seen ${seen}`, 'shardLastSeq');
  }

  private write(note: Note): Promise<void> {
    this.state.apply(note);
    this.lines.push(lineOf(note));
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.flushing ??= this.flush();
    });
  }

  private async flush(): Promise<void> {
    while (this.lines.length > 0) {
      const [lines, waiting] = [this.lines, this.waiting];
      [this.lines, this.waiting] = [[], []];
      try {
        if (this.doubtful) waiting.push(...(await this.replaceFile(this.wholeState())));
        else waiting.push(...(await this.append(Buffer.from(lines.join('')))));
        this.doubtful = false;
        for (const { resolve } of waiting) resolve();
      } catch (cause) {
        this.doubtful = true;
        const error = new OperationError('internal', `${this.path} cannot be written: ${(cause as Error).message}`, { effect: 'unknown', cause });
        for (const { reject } of [...waiting, ...this.waiting]) reject(error);
        [this.lines, this.waiting] = [[], []];
      }
    }
    this.flushing = undefined;
  }

  /** Returns who waited for further notes that are on disk already. */
  private async append(bytes: Buffer): Promise<FileLog['waiting']> {
    await this.file.appendFile(bytes);
    await this.file.datasync();
    this.fileBytes += bytes.length;
    if (this.fileBytes <= this.compactAboveBytes) return [];
    const text = this.wholeState();
    return text.length * 2 > this.fileBytes ? [] : this.replaceFile(text);
  }

  private wholeState(): Buffer {
    return Buffer.from(this.state.notes().map(lineOf).join(''));
  }

  /** Returns who waited for notes that are in the new file already. */
  private async replaceFile(text: Buffer): Promise<FileLog['waiting']> {
    // The state holds the notes whose lines still wait as well; written again behind it, they would count twice.
    const { waiting } = this;
    [this.lines, this.waiting] = [[], []];
    try {
      const newPath = `${this.path}.new`;
      const before = this.file;
      this.file = await writtenWhole(newPath, text);
      this.fileBytes = text.length;
      await before.close();
      await rename(newPath, this.path);
      await syncFolder(this.path);
    } catch (error) {
      this.waiting.unshift(...waiting);
      throw error;
    }
    return waiting;
  }

  async close(): Promise<void> {
    await this.flushing;
    await this.file.close();
  }
  [Symbol.asyncDispose](): Promise<void> { return this.close(); }
}
