/**
 * As much of CRIU's image format as must be known to judge images before they are used: a file is two magic numbers and
 * then entries, each a u32 length and a Protocol Buffers message (criu.org/Images; the field numbers are those of CRIU's
 * `images/*.proto`, which only grow).
 */
const COMMON_MAGIC = 0x54564319;
const MAGIC_BYTES = 8;

/** A field that is met: its number, and its value as a number (varint, fixed) or as bytes. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

export class DamagedImage extends Error {
  override readonly name = 'DamagedImage';
}

function readVarint(bytes: Uint8Array, at: number): { value: bigint; next: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  throw new DamagedImage('a number is cut off or too long');
}

/** @throws DamagedImage */
export function readFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = readVarint(bytes, at);
    const number = Number(tag.value >> 3n);
    const type = Number(tag.value & 7n);
    at = tag.next;
    if (type === 0) {
      const { value, next } = readVarint(bytes, at);
      fields.push({ number, value });
      at = next;
      continue;
    }
    const prefix = type === 2 ? readVarint(bytes, at) : { value: type === 1 ? 8n : type === 5 ? 4n : -1n, next: at };
    const end = prefix.next + Number(prefix.value);
    if (prefix.value < 0n || end > bytes.length) throw new DamagedImage(`field ${number} is cut off or of an unknown type`);
    fields.push({ number, value: bytes.subarray(prefix.next, end) });
    at = end;
  }
  return fields;
}

/** The entries of an image file, as bytes. @throws DamagedImage */
export function readEntries(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < MAGIC_BYTES || view.getUint32(0, true) !== COMMON_MAGIC) throw new DamagedImage('it does not begin as an image');
  const entries: Uint8Array[] = [];
  for (let at = MAGIC_BYTES; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity;
    if (at + 4 + length > bytes.length) throw new DamagedImage('an entry is cut off');
    entries.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return entries;
}

/** The bytes of the last field with that number (the one that counts in Protocol Buffers). */
export function messageOf(fields: readonly WireField[], number: number): Uint8Array | undefined {
  const value = fields.findLast((field) => field.number === number)?.value;
  return value instanceof Uint8Array ? value : undefined;
}
export function numberOf(fields: readonly WireField[], number: number): number | undefined {
  const value = fields.findLast((field) => field.number === number)?.value;
  return typeof value === 'bigint' ? Number(value) : undefined;
}
/** All values of a repeated number, packed or not. */
export function numbersOf(fields: readonly WireField[], number: number): number[] {
  return fields.filter((field) => field.number === number).flatMap(({ value }) => {
    if (typeof value === 'bigint') return [Number(value)];
    const packed: number[] = [];
    for (let at = 0; at < value.length;) {
      const read = readVarint(value, at);
      packed.push(Number(read.value));
      at = read.next;
    }
    return packed;
  });
}
