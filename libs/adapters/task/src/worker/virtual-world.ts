/** What a program can observe and do besides its messages: virtual time, saved chance, outputs. Node's side of the realm's ports. */
import { randomFillSync } from 'node:crypto';
import { Xoshiro128 } from '@godwit/kernel';
import type { WireMessage } from '../protocol.js';
import type { RealmPorts } from '../realm/ports.js';

const MS_PER_POLL = 1e-6;
/** An output record is cut when the messages that wait for it take more than this, bytes. */
const CUT_BYTES = 64 * 1024;
/** What a message is counted with besides its kind and payload, so that empty ones add up too. */
const MESSAGE_OVERHEAD_BYTES = 16;
const LONGEST_LOG = 8 * 1024;

export interface WorldEvents {
  /** Enough was emitted for an output record: `takeEmits` now. */
  onFull(): void;
  onSafepoint(resume: () => void): void;
  onLog(text: string): void;
}

export class VirtualWorld {
  private recordMs = 0;
  private polls = 0;
  private rng: Xoshiro128;
  private emits: WireMessage[] = [];
  private emitBytes = 0;

  constructor(seed: number, private readonly events: WorldEvents) {
    this.rng = Xoshiro128.seeded(seed);
  }

  readonly ports: RealmPorts = {
    now: () => {
      this.polls += 1;
      return this.currentMs();
    },
    random: () => this.rng.next(),
    monotonicMs: () => performance.now(),
    randomBytes: (length) => randomFillSync(new Uint8Array(length)),
    emit: (kind, payload) => this.emit(kind, payload),
    safepoint: (resume) => this.events.onSafepoint(resume),
    log: (text) => this.events.onLog(text.slice(0, LONGEST_LOG)),
    encodeUtf8: (text) => new TextEncoder().encode(text),
    decodeUtf8: (bytes, fatal) => {
      try {
        return new TextDecoder('utf-8', { fatal }).decode(bytes);
      } catch {
        // The one error that decoding has; the realm throws its own.
        return undefined;
      }
    },
  };

  private currentMs(): number {
    return this.recordMs + this.polls * MS_PER_POLL;
  }

  private emit(kind: string, payload: Uint8Array): void {
    // The program may change its array afterwards, and it belongs to another realm.
    this.emits.push({ kind, payload: new Uint8Array(payload) });
    this.emitBytes += kind.length + payload.length + MESSAGE_OVERHEAD_BYTES;
    if (this.emitBytes > CUT_BYTES) this.events.onFull();
  }

  /** A record is handed out. Brokers' clocks may go back; virtual time does not. */
  beginRecord(atMs: number): void {
    this.recordMs = Math.max(atMs, this.currentMs());
    this.polls = 0;
  }

  takeEmits(): readonly WireMessage[] {
    const taken = this.emits;
    this.emits = [];
    this.emitBytes = 0;
    return taken;
  }

  saved(): { recordMs: number; clockPolls: number; random: Uint8Array; emits: readonly WireMessage[] } {
    return { recordMs: this.recordMs, clockPolls: this.polls, random: this.rng.saved(), emits: [...this.emits] };
  }

  /** @throws RangeError when `random` is no state of the generator; nothing is changed then. */
  restore(from: { recordMs: number; clockPolls: number; random: Uint8Array; emits: readonly WireMessage[] }): void {
    this.rng = Xoshiro128.restored(from.random);
    this.recordMs = from.recordMs;
    this.polls = from.clockPolls;
    this.takeEmits();
    for (const { kind, payload } of from.emits) this.emit(kind, payload);
  }
}
