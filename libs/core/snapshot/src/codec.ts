/**
 * The snapshot's bytes. A stream from elsewhere is hostile: size limit first, then digest (by the caller), then decode.
 *
 * Layout, all integers little-endian, version 1:
 *   magic "GDWT" · u16 version · u16 reserved (0) · u32 headerBytes · header (JSON, UTF-8) · bodies
 * The header is JSON so that a snapshot can be looked at with `head -c`, its keys stand in one fixed order (S3), and
 * every body's length stands in it: a decoder knows all sizes before it takes memory, and refuses sizes that disagree.
 * Rejected: Protocol Buffers for the whole (one copy more of a large memory, and a length-limited `bytes` field).
 */
import { refuse, isId, isSha256, type Refusal, type Sha256, type ThreadId } from '@godwit/kernel';
import { RUNTIME_KINDS, type Message, type Section, type ThreadOutput, type ThreadSnapshot } from './thread-snapshot.js';

export const SNAPSHOT_VERSION = 1;
const MAGIC = 0x54574447; // "GDWT"
const PREFIX_BYTES = 12;
const MAX_HEADER_BYTES = 64 * 1024 * 1024;

interface OutputHeader {
  n: number; causedBySeq: number; originMs: number; hash: string; exit: number | null; messages: [kind: string, bytes: number][];
}
interface Header {
  thread: string; runtime: string; program: string; cursorSeq: number; outN: number; chainHash: string;
  recordMs: number; polls: number; randomBytes: number; outputs: OutputHeader[]; sections: [name: string, bytes: number][];
}

/** Text to UTF-8 and back; passed by the platform, since the core's library has no `TextEncoder`. */
export interface Utf8 {
  encode(text: string): Uint8Array;
  /** @throws on bytes that are not UTF-8. */
  decode(bytes: Uint8Array): string;
}

/** The snapshot as a list of parts, in order; large sections are not copied. Their concatenation is what is digested. */
export function encodeSnapshot(snapshot: ThreadSnapshot, utf8: Utf8): Uint8Array[] {
  const header: Header = {
    thread: snapshot.thread, runtime: snapshot.runtime, program: snapshot.program,
    cursorSeq: snapshot.cursorSeq, outN: snapshot.outN, chainHash: snapshot.chainHash,
    recordMs: snapshot.clock.recordMs, polls: snapshot.clock.polls, randomBytes: snapshot.random.length,
    outputs: snapshot.pendingOutputs.map((o) => ({
      n: o.n, causedBySeq: o.causedBySeq, originMs: o.originMs, hash: o.hash, exit: o.exit ? o.exit.code : null,
      messages: o.messages.map((m) => [m.kind, m.payload.length]),
    })),
    sections: snapshot.sections.map((s) => [s.name, s.bytes.length]),
  };
  const headerBytes = utf8.encode(JSON.stringify(header));
  const prefix = new Uint8Array(PREFIX_BYTES);
  const view = new DataView(prefix.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, SNAPSHOT_VERSION, true);
  view.setUint32(8, headerBytes.length, true);
  return [
    prefix, headerBytes, snapshot.random,
    ...snapshot.pendingOutputs.flatMap((o) => o.messages.map((m) => m.payload)),
    ...snapshot.sections.map((s) => s.bytes),
  ];
}

const count = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function checkHeader(header: Header): string | undefined {
  if (!isId(header.thread)) return 'thread';
  if (!(RUNTIME_KINDS as readonly string[]).includes(header.runtime)) return 'runtime';
  if (!isSha256(header.program)) return 'program';
  if (!isSha256(header.chainHash)) return 'chainHash';
  for (const field of ['cursorSeq', 'outN', 'polls', 'randomBytes'] as const) if (!count(header[field])) return field;
  if (!Number.isFinite(header.recordMs)) return 'recordMs';
  if (header.randomBytes !== 16) return 'randomBytes';
  if (!Array.isArray(header.outputs) || !header.outputs.every(isOutputHeader)) return 'outputs';
  const first = header.outN - header.outputs.length + 1;
  if (header.outputs.length > 0 && first < 1) return 'outputs';
  if (!header.outputs.every((o, i) => o.n === first + i)) return 'outputs';
  if (!Array.isArray(header.sections) || !header.sections.every(isSized)) return 'sections';
  return undefined;
}
const isSized = (pair: unknown): pair is [string, number] =>
  Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && count(pair[1]);
/** The kinds that `Message` permits; others could make two contents hash alike (`chain.ts`). */
const KIND = /^[a-zA-Z0-9._-]{0,64}$/;
const isMessage = (pair: unknown): boolean => isSized(pair) && KIND.test(pair[0]);
const isOutputHeader = (o: unknown): o is OutputHeader => {
  if (typeof o !== 'object' || o === null) return false;
  const output = o as OutputHeader;
  return count(output.n) && count(output.causedBySeq) && Number.isFinite(output.originMs) && isSha256(output.hash) &&
    (output.exit === null || Number.isSafeInteger(output.exit)) && Array.isArray(output.messages) && output.messages.every(isMessage);
};

const damaged = (what: string, field?: string): Refusal => refuse('snapshot-damaged', `snapshot: ${what}`, field);

function readHeader(bytes: Uint8Array, utf8: Utf8): { header: Header; bodyAt: number } | Refusal {
  if (bytes.length < PREFIX_BYTES) return damaged(`only ${bytes.length} bytes, shorter than its prefix`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return damaged('does not begin with "GDWT"');
  const version = view.getUint16(4, true);
  if (version !== SNAPSHOT_VERSION || view.getUint16(6, true) !== 0) return damaged(`version ${version} is not known here (${SNAPSHOT_VERSION} is)`);
  const headerBytes = view.getUint32(8, true);
  const bodyAt = PREFIX_BYTES + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || bodyAt > bytes.length) return damaged('is cut off inside its header');
  let header: Header;
  try {
    header = JSON.parse(utf8.decode(bytes.subarray(PREFIX_BYTES, bodyAt))) as Header;
  } catch {
    return damaged('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null) return damaged('its header is no object');
  const wrong = checkHeader(header);
  return wrong === undefined ? { header, bodyAt } : damaged(`header field ${wrong} is missing or out of range`, wrong);
}

/** Bytes to snapshot. Sections are views on `bytes`, not copies. Anything that does not add up is refused. */
export function decodeSnapshot(bytes: Uint8Array, utf8: Utf8): ThreadSnapshot | Refusal {
  const read = readHeader(bytes, utf8);
  if ('refused' in read) return read;
  const { header } = read;
  let at = read.bodyAt;
  const sizes = [header.randomBytes, ...header.outputs.flatMap((o) => o.messages.map((m) => m[1])), ...header.sections.map((s) => s[1])];
  const total = sizes.reduce((sum, size) => sum + size, at);
  if (total !== bytes.length) return damaged(`its parts add up to ${total} bytes, but ${bytes.length} are there`);
  const take = (length: number): Uint8Array => bytes.subarray(at, (at += length));
  const random = take(header.randomBytes);
  const pendingOutputs = header.outputs.map((o): ThreadOutput => {
    const messages = o.messages.map(([kind, length]): Message => ({ kind, payload: take(length) }));
    const output = { n: o.n, causedBySeq: o.causedBySeq, originMs: o.originMs, messages, hash: o.hash as Sha256 };
    return o.exit === null ? output : { ...output, exit: { code: o.exit } };
  });
  const sections = header.sections.map(([name, length]): Section => ({ name, bytes: take(length) }));
  return {
    thread: header.thread as ThreadId, runtime: header.runtime as ThreadSnapshot['runtime'], program: header.program as Sha256,
    cursorSeq: header.cursorSeq, outN: header.outN, chainHash: header.chainHash as Sha256,
    clock: { recordMs: header.recordMs, polls: header.polls }, random, pendingOutputs, sections,
  };
}
