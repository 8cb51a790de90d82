/** Bytes through all interfaces but loopback, from /proc/net/dev. Virtual interfaces count as the kernel lists them. */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile } from './kept-file.js';
import { NamedRows, RowGrowth } from './named-rows.js';
import { Rate } from './rate.js';
import { Scanner } from './scanner.js';

const HEADER_LINES = 2;
const FIELDS_BETWEEN_BYTES = 7;
const RECEIVE = 'network.receive_bytes_per_second';
const TRANSMIT = 'network.transmit_bytes_per_second';

interface Interface {
  readonly counts: boolean;
  readonly received: RowGrowth;
  readonly sent: RowGrowth;
}

export class Network implements Collector {
  readonly name = 'network';
  private readonly file: KeptFile;
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();
  private readonly rows = new NamedRows<Interface>(':', (name) => ({ counts: name !== 'lo', received: new RowGrowth(), sent: new RowGrowth() }));
  private readonly receiveRate = new Rate();
  private readonly transmitRate = new Rate();
  private receivedBytes = 0;
  private sentBytes = 0;
  private round = 0;

  constructor(context: Pick<CollectorContext, 'procRoot'>) {
    this.file = new KeptFile(`${context.procRoot}/net/dev`);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    const { scanner } = this;
    const length = this.file.readWhole(monotonicMs);
    this.absent.set(RECEIVE, this.file.failure);
    this.absent.set(TRANSMIT, this.file.failure);
    if (length < 0) {
      this.receiveRate.reset();
      this.transmitRate.reset();
      return;
    }
    this.round += 1;
    scanner.begin(length);
    for (let line = 0; line < HEADER_LINES; line += 1) scanner.nextLine();
    for (let row = 0; scanner.more; row += 1) {
      scanner.skipBlanks();
      this.readRow(this.rows.next(scanner, row));
      scanner.nextLine();
    }
    const receive = this.receiveRate.next(this.receivedBytes, monotonicMs);
    const transmit = this.transmitRate.next(this.sentBytes, monotonicMs);
    if (receive !== undefined) into[RECEIVE] = receive;
    if (transmit !== undefined) into[TRANSMIT] = transmit;
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    this.file.close();
  }

  private readRow(row: Interface): void {
    if (!row.counts) return;
    const received = this.scanner.integer();
    this.scanner.skipFields(FIELDS_BETWEEN_BYTES);
    const sent = this.scanner.integer();
    if (received < 0 || sent < 0) return;
    this.receivedBytes += row.received.since(received, this.round);
    this.sentBytes += row.sent.since(sent, this.round);
  }
}
