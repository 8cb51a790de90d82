/**
 * Cuts the program's output into records: after each newline, at 64 KiB, and where the caller says (before the next
 * input, at the end). Never by time, so that a program that is repeated is cut at the same places.
 */
export const LONGEST_RECORD_BYTES = 65_536;
const NEWLINE = 10;

export class OutputLines {
  private rest: Buffer;

  constructor(private readonly onRecord: (bytes: Uint8Array) => void, rest: Uint8Array = new Uint8Array(0)) {
    this.rest = Buffer.from(rest);
  }

  take(bytes: Uint8Array): void {
    let all = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    while (all.length > 0) {
      const newline = all.subarray(0, LONGEST_RECORD_BYTES).indexOf(NEWLINE);
      const end = newline >= 0 ? newline + 1 : all.length >= LONGEST_RECORD_BYTES ? LONGEST_RECORD_BYTES : 0;
      if (end === 0) break;
      this.onRecord(new Uint8Array(all.subarray(0, end)));
      all = all.subarray(end);
    }
    this.rest = all;
  }

  /** An unfinished line becomes a record. */
  cut(): void {
    if (this.rest.length > 0) this.onRecord(new Uint8Array(this.takeRest()));
  }

  /** The unfinished line; it is part of the state. */
  get unfinished(): Uint8Array {
    return new Uint8Array(this.rest);
  }

  takeRest(): Uint8Array {
    const rest = this.rest;
    this.rest = Buffer.alloc(0);
    return rest;
  }
}
