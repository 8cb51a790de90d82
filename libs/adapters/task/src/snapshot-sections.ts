/**
 * The sections of a task's snapshot, in this order:
 *   `task`   JSON: format, name, version, deterministic, ended
 *   `state`  the codec's bytes
 *   `open`   only when a record was served in part: u32 header bytes (little-endian), JSON header, then the payloads of
 *            the messages that are left and of what was emitted and not yet cut
 */
import { refuse, type Refusal } from '@godwit/kernel';
import type { Section, ThreadSnapshot } from '@godwit/snapshot';
import type { OpenRecord, ProgramIdentity, WireMessage, WorkerState } from './protocol.js';

const FORMAT = 1;
const PREFIX_BYTES = 4;

type Sized = readonly [kind: string, bytes: number];
interface OpenHeader {
  readonly seq: number; readonly originMs: number; readonly from: string; readonly tick: boolean; readonly end: boolean;
  readonly messages: readonly Sized[]; readonly emits: readonly Sized[];
}

const toBytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export function toSections(identity: ProgramIdentity, state: WorkerState): Section[] {
  const { name, version, deterministic } = identity;
  const sections = [
    { name: 'task', bytes: toBytes({ format: FORMAT, name, version, deterministic, ended: state.ended }) },
    { name: 'state', bytes: state.state },
  ];
  return state.open ? [...sections, { name: 'open', bytes: encodeOpen(state.open) }] : sections;
}

function encodeOpen(open: OpenRecord): Uint8Array {
  const sized = (messages: readonly WireMessage[]): Sized[] => messages.map(({ kind, payload }) => [kind, payload.length]);
  const { seq, originMs, from, tick, end, messages, emits } = open;
  const header = toBytes({ seq, originMs, from, tick, end, messages: sized(messages), emits: sized(emits) } satisfies OpenHeader);
  const bodies = [...messages, ...emits].map((message) => message.payload);
  const bytes = new Uint8Array(bodies.reduce((sum, body) => sum + body.length, PREFIX_BYTES + header.length));
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, PREFIX_BYTES);
  let at = PREFIX_BYTES + header.length;
  for (const body of bodies) {
    bytes.set(body, at);
    at += body.length;
  }
  return bytes;
}

const damaged = (what: string, field: string): Refusal => refuse('snapshot-damaged', `snapshot of a task: ${what}`, field);
const isSized = (pair: unknown): boolean => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && Number.isSafeInteger(pair[1]) && pair[1] >= 0;

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Not UTF-8 or not JSON: the caller refuses it by the name of its section.
    return undefined;
  }
}

function isOpenHeader(value: unknown): value is OpenHeader {
  if (typeof value !== 'object' || value === null) return false;
  const { seq, originMs, from, tick, end, messages, emits } = value as Partial<OpenHeader>;
  return Number.isSafeInteger(seq) && Number.isFinite(originMs) && typeof from === 'string' && typeof tick === 'boolean' && typeof end === 'boolean' &&
    Array.isArray(messages) && messages.every(isSized) && Array.isArray(emits) && emits.every(isSized);
}

function decodeOpen(bytes: Uint8Array): OpenRecord | Refusal {
  if (bytes.length < PREFIX_BYTES) return damaged('section open is cut off', 'sections.open');
  const bodyAt = PREFIX_BYTES + new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
  const header = bodyAt > bytes.length ? undefined : readJson(bytes.subarray(PREFIX_BYTES, bodyAt));
  if (!isOpenHeader(header)) return damaged('the header of section open is not readable', 'sections.open');
  const total = [...header.messages, ...header.emits].reduce((sum, [, length]) => sum + length, bodyAt);
  if (total !== bytes.length) return damaged(`the parts of section open add up to ${total} bytes, but ${bytes.length} are there`, 'sections.open');
  let at = bodyAt;
  const take = ([kind, length]: Sized): WireMessage => ({ kind, payload: bytes.slice(at, (at += length)) });
  const { seq, originMs, from, tick, end } = header;
  return { seq, originMs, from, tick, end, messages: header.messages.map(take), emits: header.emits.map(take) };
}

function checkTask(bytes: Uint8Array, identity: ProgramIdentity): { ended: boolean } | Refusal {
  const task = readJson(bytes) as { format?: unknown; name?: unknown; version?: unknown; deterministic?: unknown; ended?: unknown } | undefined | null;
  if (typeof task !== 'object' || task === null || typeof task.ended !== 'boolean') return damaged('section task is not readable', 'sections.task');
  if (task.format !== FORMAT) return damaged(`its format ${String(task.format)} is not known here (${FORMAT} is)`, 'sections.task.format');
  for (const field of ['name', 'version', 'deterministic'] as const) {
    if (task[field] !== identity[field]) {
      return refuse('conflict', `the snapshot was taken from a program whose ${field} is ${String(task[field])}; here it is ${String(identity[field])}`, `sections.task.${field}`);
    }
  }
  return { ended: task.ended };
}

/** The worker's part of a snapshot whose thread and program were compared already. */
export function fromSections(snapshot: ThreadSnapshot, identity: ProgramIdentity): WorkerState | Refusal {
  const names = snapshot.sections.map((section) => section.name).join(' ');
  if (names !== 'task state' && names !== 'task state open') return damaged(`its sections are "${names}", not "task state" or "task state open"`, 'sections');
  const [task, state, open] = snapshot.sections;
  const checked = checkTask(task!.bytes, identity);
  if ('refused' in checked) return checked;
  if (snapshot.random.every((byte) => byte === 0)) return damaged('its random state is all zero', 'random');
  const { cursorSeq, clock, random } = snapshot;
  const restored = { state: new Uint8Array(state!.bytes), cursorSeq, recordMs: clock.recordMs, clockPolls: clock.polls, random: new Uint8Array(random), ended: checked.ended };
  if (!open) return restored;
  const record = decodeOpen(open.bytes);
  if ('refused' in record) return record;
  if (record.seq !== cursorSeq) return damaged(`its open record is ${record.seq}, but its cursor ${cursorSeq}`, 'sections.open');
  return { ...restored, open: record };
}
