/** Reading and writing the primitives of the WebAssembly binary format (specification, chapter 5.2). */

/** The bytes are no module of the kind that we carry; `reason` is for people. */
export class UnacceptableModule extends Error {
  override readonly name = 'UnacceptableModule';
  readonly code: 'not-wasm' | 'not-migratable' | 'unknown-import' | 'limit-exceeded';
  readonly field: string | undefined;
  constructor(code: UnacceptableModule['code'], reason: string, field?: string) {
    super(reason);
    this.code = code;
    this.field = field;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const toUtf8 = new TextEncoder();

export class Reader {
  at: number;
  readonly end: number;
  constructor(readonly bytes: Uint8Array, at = 0, end = bytes.length) {
    this.at = at;
    this.end = end;
  }
  get done(): boolean {
    return this.at >= this.end;
  }
  byte(): number {
    if (this.at >= this.end) throw new UnacceptableModule('not-wasm', 'the module ends in the middle of a value');
    return this.bytes[this.at++]!;
  }
  /** An unsigned LEB128 of up to 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new UnacceptableModule('not-wasm', 'an integer of the module is longer than 32 bits');
  }
  /** A signed LEB128 of up to 33 bits (block types, constants). */
  s33(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return byte & 0x40 ? value - 2 ** (shift + 7) : value;
    }
    throw new UnacceptableModule('not-wasm', 'an integer of the module is longer than 33 bits');
  }
  skipLeb(): void {
    while (this.byte() >= 0x80);
  }
  take(length: number): Uint8Array {
    if (this.at + length > this.end) throw new UnacceptableModule('not-wasm', 'the module ends in the middle of a section');
    return this.bytes.subarray(this.at, (this.at += length));
  }
  name(): string {
    return utf8.decode(this.take(this.u32()));
  }
  list<T>(item: (index: number) => T): T[] {
    return Array.from({ length: this.u32() }, (_, i) => item(i));
  }
}

export class Writer {
  private bytes = new Uint8Array(256);
  length = 0;

  private room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
  byte(...values: readonly number[]): this {
    this.room(values.length);
    for (const value of values) this.bytes[this.length++] = value;
    return this;
  }
  u32(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.byte(rest);
  }
  /** A signed LEB128 of a 32-bit integer. */
  s32(value: number): this {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }
  raw(bytes: Uint8Array): this {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }
  name(text: string): this {
    const bytes = toUtf8.encode(text);
    return this.u32(bytes.length).raw(bytes);
  }
  list<T>(items: readonly T[], write: (item: T, index: number) => void): this {
    this.u32(items.length);
    items.forEach(write);
    return this;
  }
  /** A section or a body: its length, then what `write` puts into it. */
  sized(write: (inner: Writer) => void): this {
    const inner = new Writer();
    write(inner);
    return this.u32(inner.length).raw(inner.view());
  }
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
