/**
 * What one checkpoint writes: the whole state (a base), or what leads from the state of the checkpoint before to this one.
 *
 * Layout, little-endian, version 1:
 *   magic "GDWC" · u16 version · u16 form (0 image, 1 flat) · u64 k · u64 parent (0: a base) · u64 image bytes ·
 *   u64 delta bytes · u64 rest bytes · delta (see `delta.ts`; of a base, upon zeros) · rest
 *
 * form image: the state has a large flat part; the rest is the encoded snapshot without it.
 * form flat:  the encoded snapshot itself is the image, with zeros behind it; the rest is its length, u64.
 *
 * The digest of a checkpoint is that of its state (`image-digest.ts`), whichever parts it was made of: a shadow, a live
 * copy and a restored checkpoint of one state are compared by it.
 */
import { refuse, type Refusal } from '@godwit/kernel';
import { BLOCK_BYTES } from './delta.js';

export const CHECKPOINT_PART_VERSION = 1;
export const PART_HEAD_BYTES = 48;
const MAGIC = 0x43574447; // "GDWC"
const FORMS = ['image', 'flat'] as const;

export interface PartHead {
  readonly k: number;
  /** The checkpoint upon whose state the delta leads to this one; 0 for a base. */
  readonly parent: number;
  readonly form: (typeof FORMS)[number];
  /** Whole blocks; never fewer than the parent's. */
  readonly imageBytes: number;
  readonly deltaBytes: number;
  readonly restBytes: number;
}

export function encodePartHead(head: PartHead): Uint8Array {
  const bytes = new Uint8Array(PART_HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, CHECKPOINT_PART_VERSION, true);
  view.setUint16(6, FORMS.indexOf(head.form), true);
  [head.k, head.parent, head.imageBytes, head.deltaBytes, head.restBytes].forEach((value, i) => view.setBigUint64(8 + i * 8, BigInt(value), true));
  return bytes;
}

const damaged = (what: string, field = 'part'): Refusal => refuse('snapshot-damaged', `checkpoint part: ${what}`, field);

/** @param limits the largest image and rest that are acceptable: sizes are checked before memory is taken */
export function decodePartHead(bytes: Uint8Array, limits: { readonly imageBytes: number; readonly restBytes: number }): PartHead | Refusal {
  if (bytes.length < PART_HEAD_BYTES) return damaged(`only ${bytes.length} bytes, shorter than its head`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return damaged('does not begin with "GDWC"');
  const version = view.getUint16(4, true);
  if (version !== CHECKPOINT_PART_VERSION) return damaged(`version ${version} is not known here (${CHECKPOINT_PART_VERSION} is)`);
  const form = FORMS[view.getUint16(6, true)];
  if (!form) return damaged('its form is not known');
  const numbers = Array.from({ length: 5 }, (_, i) => Number(view.getBigUint64(8 + i * 8, true)));
  const [k, parent, imageBytes, deltaBytes, restBytes] = numbers as [number, number, number, number, number];
  if (!numbers.every(Number.isSafeInteger) || k < 1 || parent >= k) return damaged('a number of its head is out of range');
  if (imageBytes % BLOCK_BYTES !== 0) return damaged(`an image of ${imageBytes} bytes`);
  if (imageBytes > limits.imageBytes) return refuse('payload-too-large', `checkpoint part: an image of ${imageBytes} bytes announced, at most ${limits.imageBytes} are allowed`);
  if (restBytes > limits.restBytes) return refuse('payload-too-large', `checkpoint part: a rest of ${restBytes} bytes announced, at most ${limits.restBytes} are allowed`);
  // A record's head is less than a block, and no block is named twice.
  if (deltaBytes > imageBytes * 2) return damaged(`a delta of ${deltaBytes} bytes for an image of ${imageBytes}`);
  return { k, parent, form, imageBytes, deltaBytes, restBytes };
}

/** @param bytes all of it; its digest was compared by the caller. */
export function decodePart(bytes: Uint8Array, limits: { readonly imageBytes: number; readonly restBytes: number }): { readonly head: PartHead; readonly delta: Uint8Array; readonly rest: Uint8Array } | Refusal {
  const head = decodePartHead(bytes, limits);
  if ('refused' in head) return head;
  const deltaEnd = PART_HEAD_BYTES + head.deltaBytes;
  if (deltaEnd + head.restBytes !== bytes.length) return damaged(`its head speaks of ${deltaEnd + head.restBytes} bytes, but ${bytes.length} are there`);
  return { head, delta: bytes.subarray(PART_HEAD_BYTES, deltaEnd), rest: bytes.subarray(deltaEnd) };
}

/** The rest of a flat state: how long the snapshot in the image is. */
export function flatRest(snapshotBytes: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(snapshotBytes), true);
  return bytes;
}
/** The encoded snapshot in the image of a flat state. */
export function flatSnapshot(image: Uint8Array, rest: Uint8Array): Uint8Array | Refusal {
  const bytes = rest.length === 8 ? Number(new DataView(rest.buffer, rest.byteOffset, 8).getBigUint64(0, true)) : NaN;
  return bytes <= image.length ? image.subarray(0, bytes) : damaged('its snapshot is longer than its image');
}
