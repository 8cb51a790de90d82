/** Sends history to its stream. History is worth little each: what the broker does not take is counted and dropped, never piled up. */
import type { Log } from '@godwit/shell';
import type { History } from '@godwit/wire';
import type { Kind } from './forecaster.js';

const MAX_IN_FLIGHT = 1_000;

export class HistoryWriter {
  dropped = 0;
  private readonly inFlight = new Set<Promise<void>>();
  private failing = false;

  constructor(private readonly send: (kind: Kind, history: History) => Promise<void>, private readonly log: Log) {}

  write(kind: Kind, history: History): void {
    if (this.inFlight.size >= MAX_IN_FLIGHT) return void this.dropped++;
    const sent = this.sendOne(kind, history);
    this.inFlight.add(sent);
    void sent.then(() => this.inFlight.delete(sent));
  }

  private async sendOne(kind: Kind, history: History): Promise<void> {
    try {
      await this.send(kind, history);
      this.failing = false;
    } catch (error) {
      this.dropped++;
      if (!this.failing) this.log.warn({ err: error, dropped: this.dropped }, 'history not stored');
      this.failing = true;
    }
  }

  /** Resolves when everything sent was answered, one way or the other. */
  async close(): Promise<void> {
    await Promise.all(this.inFlight);
  }
}
