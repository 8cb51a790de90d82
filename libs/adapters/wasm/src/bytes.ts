/** Fixed little-endian fields one after another: the form of the small sections of a snapshot. */

export class FieldWriter {
  private readonly parts: Uint8Array[] = [];
  private number(size: number, set: (view: DataView) => void): this {
    const bytes = new Uint8Array(size);
    set(new DataView(bytes.buffer));
    this.parts.push(bytes);
    return this;
  }
  u8(value: number): this { return this.number(1, (v) => v.setUint8(0, value)); }
  u32(value: number): this { return this.number(4, (v) => v.setUint32(0, value, true)); }
  u64(value: bigint): this { return this.number(8, (v) => v.setBigUint64(0, value, true)); }
  f64(value: number): this { return this.number(8, (v) => v.setFloat64(0, value, true)); }
  raw(bytes: Uint8Array): this { this.parts.push(bytes); return this; }
  bytes(bytes: Uint8Array): this { return this.u32(bytes.length).raw(bytes); }
  done(): Uint8Array {
    const whole = new Uint8Array(this.parts.reduce((sum, p) => sum + p.length, 0));
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

/** @throws RangeError when the bytes end too early, or (in `done`) when some are left. */
export class FieldReader {
  private at = 0;
  private readonly view: DataView;
  constructor(private readonly source: Uint8Array) {
    this.view = new DataView(source.buffer, source.byteOffset, source.length);
  }
  private step(size: number): number {
    if (this.at + size > this.source.length) throw new RangeError(`it ends after ${this.source.length} bytes, in the middle of a field`);
    this.at += size;
    return this.at - size;
  }
  u8(): number { return this.view.getUint8(this.step(1)); }
  u32(): number { return this.view.getUint32(this.step(4), true); }
  u64(): bigint { return this.view.getBigUint64(this.step(8), true); }
  f64(): number { return this.view.getFloat64(this.step(8), true); }
  raw(length: number): Uint8Array { return this.source.subarray(this.step(length), this.at); }
  bytes(): Uint8Array { return this.raw(this.u32()); }
  get left(): number { return this.source.length - this.at; }
  done(): void {
    if (this.left > 0) throw new RangeError(`${this.left} bytes are left over`);
  }
}
