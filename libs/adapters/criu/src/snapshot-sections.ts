/**
 * The sections of a process's snapshot, in this order:
 *   `process`      JSON: format, architecture, exit code or null, end of input, what the last record was
 *   `stdin`        bytes that were handed over and not read
 *   `stdout`       the unfinished line
 *   `image/NAME`   CRIU's files, by name; none when the program has ended
 *   `seal`         over all of the above and over the thread's own fields
 * The seal is against damage and mix-ups; who made a snapshot, its own SHA-256 says, which the agents compare. So large
 * sections enter it by their CRC-32, which costs a twentieth: the seal is made while the thread stands still.
 * Image files are named by others: a name is one of a fixed list of kinds, never a path.
 */
import { crc32 } from 'node:zlib';
import { refuse, type Refusal, type Sha256Of } from '@godwit/kernel';
import type { Section, ThreadSnapshot } from '@godwit/snapshot';
import { isImageName, type ImageFile } from './image-check.js';

const FORMAT = 1;
const IMAGE = 'image/';
const FIRST_SECTIONS = ['process', 'stdin', 'stdout'];

export interface ProcessState {
  /** Of the program, when it has ended by itself. */
  readonly exitCode: number | undefined;
  /** No input will come any more. */
  readonly inputEnded: boolean;
  /** Of the record that is being served, or was last: its origin, ms since 1970. */
  readonly originMs: number;
  /** The program has read what it was given and waits for more. */
  readonly waiting: boolean;
  readonly unread: Uint8Array;
  readonly unfinished: Uint8Array;
  readonly images: readonly ImageFile[];
}

const toBytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

type Own = Omit<ThreadSnapshot, 'sections' | 'pendingOutputs' | 'runtime'>;
function sealOf(own: Own, sections: readonly Section[], sha256: Sha256Of): Uint8Array {
  const { thread, program, cursorSeq, outN, chainHash, clock, random } = own;
  const digests = sections.map(({ name, bytes }) => [name, bytes.length, crc32(bytes)]);
  return Buffer.from(sha256(toBytes([thread, program, cursorSeq, outN, chainHash, clock.recordMs, clock.polls, [...random], digests])), 'hex');
}

export function toSections(own: Own, state: ProcessState, sha256: Sha256Of): Section[] {
  const head = { format: FORMAT, architecture: process.arch, exitCode: state.exitCode ?? null, inputEnded: state.inputEnded, originMs: state.originMs, waiting: state.waiting };
  const images = [...state.images].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, bytes }) => ({ name: `${IMAGE}${name}`, bytes }));
  const sections = [
    { name: 'process', bytes: toBytes(head) }, { name: 'stdin', bytes: state.unread }, { name: 'stdout', bytes: state.unfinished }, ...images,
  ];
  return [...sections, { name: 'seal', bytes: sealOf(own, sections, sha256) }];
}

const damaged = (what: string, field: string): Refusal => refuse('snapshot-damaged', `snapshot of a process: ${what}`, field);

interface Head { readonly format: number; readonly architecture: string; readonly exitCode: number | null; readonly inputEnded: boolean; readonly originMs: number; readonly waiting: boolean }
function readHead(bytes: Uint8Array): Head | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined; // the caller refuses it by the name of its section
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, architecture, exitCode, inputEnded, originMs, waiting } = value as Partial<Head>;
  const known = Number.isSafeInteger(format) && typeof architecture === 'string' && (exitCode === null || Number.isSafeInteger(exitCode))
    && typeof inputEnded === 'boolean' && Number.isFinite(originMs) && typeof waiting === 'boolean';
  return known ? (value as Head) : undefined;
}

/** The state in a snapshot, which is checked as a whole before anything of it is used. */
export function fromSections(snapshot: ThreadSnapshot, limits: { readonly imageBytes: number }, sha256: Sha256Of): ProcessState | Refusal {
  const sections = snapshot.sections.slice(0, -1);
  const seal = snapshot.sections.at(-1);
  const names = sections.map(({ name }) => name);
  if (seal?.name !== 'seal' || FIRST_SECTIONS.some((name, i) => names[i] !== name)) return damaged('its sections are not those of a process', 'sections');
  const images = sections.slice(FIRST_SECTIONS.length);
  const strange = images.find(({ name }, i) => !name.startsWith(IMAGE) || !isImageName(name.slice(IMAGE.length)) || (i > 0 && name <= images[i - 1]!.name));
  if (strange) return damaged(`its section ${JSON.stringify(strange.name.slice(0, 80))} is not an image, or not in its place`, 'sections');
  const bytes = images.reduce((sum, image) => sum + image.bytes.length, 0);
  if (bytes > limits.imageBytes) return refuse('limit-exceeded', `snapshot of a process: its images take ${bytes} bytes; the thread's limit admits ${limits.imageBytes}`, 'limits.memoryBytes');
  if (!Buffer.from(sealOf(snapshot, sections, sha256)).equals(seal.bytes)) return damaged('its seal does not fit its contents', 'sections.seal');
  const head = readHead(sections[0]!.bytes);
  if (!head || head.format !== FORMAT) return damaged('section process is not readable, or of another version', 'sections.process');
  if (head.architecture !== process.arch) return refuse('no-capability', `the process runs on ${head.architecture}; this machine is ${process.arch}`, 'runtime');
  return {
    exitCode: head.exitCode ?? undefined, inputEnded: head.inputEnded, originMs: head.originMs, waiting: head.waiting,
    unread: sections[1]!.bytes, unfinished: sections[2]!.bytes, images: images.map(({ name, bytes: content }) => ({ name: name.slice(IMAGE.length), bytes: content })),
  };
}
