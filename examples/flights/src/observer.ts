/** Listens to what the services publish and folds it into the live state; keeps the sample rows that the summary needs. */
import { threadId, type ThreadId } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import { connectNats, natsJournal, type NatsLink } from '@godwit/nats';
import { systemClock } from '@godwit/shell';
import { decisionRecordCodec, decodeSamples, forecastCodec, migrationStatusCodec, SUBJECTS, type SampleBatch } from '@godwit/wire';
import { SHARD } from './application.js';
import { fold, foldDecoded, type LiveEvent, type LiveState } from './live-state.js';
import type { ThreadRow } from './summary.js';
import { THREADS, type ThreadName } from './programs.js';
import type { BoardLine } from './board-line.js';

const OWNERS_EVERY_MS = 250;

export class Observer {
  readonly journal: Journal;
  /** Of every thread, when `keepRows` was asked for. */
  readonly rows = new Map<string, ThreadRow[]>();
  private readonly ending = new AbortController();
  private owners: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private boardDone: Promise<void> = Promise.resolve();
  private closeBoard: (() => Promise<void>) | undefined;

  private constructor(private readonly link: NatsLink, public state: LiveState, private readonly keepRows: boolean, private readonly onProblem: (line: string) => void) {
    this.journal = natsJournal(link);
  }

  static async open(options: { readonly natsUrl: string; readonly state: LiveState; readonly keepRows: boolean; readonly onProblem: (line: string) => void }): Promise<Observer> {
    const observer = new Observer(await connectNats({ url: options.natsUrl, name: 'example-flights' }), options.state, options.keepRows, options.onProblem);
    observer.listen();
    return observer;
  }

  take(event: LiveEvent): void {
    this.state = fold(this.state, event);
  }

  private listen(): void {
    const subscribe = (subject: string, take: (data: Uint8Array, subject: string) => void): void =>
      void this.link.nc.subscribe(subject, { callback: (error, message) => (error ? this.onProblem(`${subject}: ${error.message}`) : take(message.data, message.subject)) });
    subscribe(SUBJECTS.metrics('*'), (data) => {
      this.state = foldDecoded(this.state, decodeSamples(data), (batch) => this.samples(batch));
    });
    for (const kind of ['device', 'thread'] as const) {
      const subject = kind === 'device' ? SUBJECTS.deviceForecast('*') : SUBJECTS.threadForecast('*');
      subscribe(subject, (data) => { this.state = foldDecoded(this.state, forecastCodec.decode(data), (forecast) => ({ type: 'forecast', of: kind, forecast })); });
    }
    subscribe(SUBJECTS.decision('*'), (data) => {
      this.state = foldDecoded(this.state, decisionRecordCodec.decode(data), (record) => ({ type: 'decision', record }));
    });
    subscribe(SUBJECTS.migration('*', '*'), (data) => {
      this.state = foldDecoded(this.state, migrationStatusCodec.decode(data), (status) => ({ type: 'migration', status }));
    });
  }

  private samples(batch: SampleBatch): LiveEvent {
    if (this.keepRows) {
      for (const { thread, metric, values } of batch.columns) {
        if (thread === '' || metric !== 'cpu.cores') continue;
        const beside = (name: string): readonly number[] => batch.columns.find((column) => column.thread === thread && column.metric === name)?.values ?? [];
        const [backlog, consumed] = [beside('input.backlog_records'), beside('input.consumed_per_second')];
        const rows = this.rows.get(thread) ?? [];
        values.forEach((cpuCores, i) => {
          if (Number.isFinite(cpuCores)) rows.push({ atMs: batch.atMs[i]!, device: batch.device, cpuCores, backlogRecords: backlog[i] ?? 0, consumedPerSecond: consumed[i] ?? 0 });
        });
        this.rows.set(thread, rows);
      }
    }
    return { type: 'samples', batch };
  }

  /** From the registration on: who owns each thread, and what the board says. */
  async follow(): Promise<void> {
    this.owners = setInterval(() => { this.looking = this.looking.then(() => this.lookAtOwners()); }, OWNERS_EVERY_MS);
    const at = { shard: SHARD, thread: threadId('board') };
    const { outN } = await this.journal.tail(at);
    const reader = await this.journal.readOutputs(at, { afterN: Math.max(0, outN - 1), follow: true });
    this.closeBoard = () => reader.close();
    this.boardDone = this.readBoard(reader).catch((error: Error) => { if (!this.ending.signal.aborted) this.onProblem(`board: ${error.message}`); });
  }

  private async readBoard(reader: AsyncIterable<{ readonly record: { readonly messages: readonly { readonly kind: string; readonly payload: Uint8Array }[] } }>): Promise<void> {
    for await (const { record } of reader) {
      for (const { kind, payload } of record.messages) {
        if (kind === 'board') this.take({ type: 'counted', flights: (JSON.parse(new TextDecoder().decode(payload)) as BoardLine).flights });
      }
    }
  }

  private async lookAtOwners(): Promise<void> {
    for (const thread of THREADS) {
      if (this.ending.signal.aborted) return;
      try {
        const own = await this.journal.newestOwn({ shard: SHARD, thread: threadId(thread) });
        const known = this.state.threads.get(thread);
        if (own && (known?.epoch !== own.record.epoch || known.device !== own.record.device)) this.take({ type: 'owner', thread: threadId(thread), device: own.record.device, epoch: own.record.epoch });
      } catch (error) {
        if (!this.ending.signal.aborted) this.onProblem(`owner of ${thread}: ${(error as Error).message}`);
      }
    }
  }

  isRunning(thread: ThreadName | ThreadId): boolean {
    const known = this.state.threads.get(thread);
    return known !== undefined && known.epoch > 0 && known.stateBytes > 0;
  }

  async close(): Promise<void> {
    this.ending.abort();
    clearInterval(this.owners);
    await this.looking;
    await this.closeBoard?.();
    await this.boardDone;
    await this.link.close();
  }
}

export const nowMs = (): number => systemClock.nowMs();
