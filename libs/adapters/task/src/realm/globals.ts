/**
 * The globals of a program's realm. A bare V8 context has ECMAScript and nothing of Node: no process, require, fetch,
 * timers. Added here: UTF-8, console, performance.now, crypto's random values. Taken away: what can block the worker
 * without using CPU (`Atomics.wait`), and WebAssembly, whose memory no codec would see.
 *
 * In the realm of a deterministic thread, time and chance are the context's virtual ones, available while a handler
 * runs and refused at any other time (module level and codecs run again at a restore, and must not differ then); dates
 * live in UTC; and whatever shows the machine's locale, its ICU data or its garbage collector is gone or throws.
 */
import type { Gate, RealmPorts } from './ports.js';

type Mutable = Record<string, unknown>;
const globals = globalThis as unknown as Mutable;

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
}

function textOf(part: unknown): string {
  if (typeof part === 'string') return part;
  if (part instanceof Error) return part.stack ?? String(part);
  try {
    return JSON.stringify(part) ?? String(part);
  } catch (unprintable) {
    return `[not printable: ${unprintable instanceof Error ? unprintable.message : 'it threw'}]`;
  }
}
export const textOfParts = (parts: readonly unknown[]): string => parts.map(textOf).join(' ');

function installUtf8(ports: RealmPorts): void {
  define(globals, 'TextEncoder', class TextEncoder {
    readonly encoding = 'utf-8';
    encode(text = ''): Uint8Array {
      return new Uint8Array(ports.encodeUtf8(String(text)));
    }
  });
  define(globals, 'TextDecoder', class TextDecoder {
    readonly encoding = 'utf-8';
    readonly fatal: boolean;
    constructor(label = 'utf-8', options: { fatal?: boolean } = {}) {
      if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder: only utf-8 is offered here, not ${label}`);
      this.fatal = options.fatal === true;
    }
    decode(bytes: Uint8Array = new Uint8Array()): string {
      if (!ArrayBuffer.isView(bytes)) throw new TypeError('TextDecoder: decode takes a typed array');
      const text = ports.decodeUtf8(bytes, this.fatal);
      if (text === undefined) throw new TypeError('TextDecoder: the bytes are not UTF-8');
      return text;
    }
  });
}

function installRandomValues(fill: (bytes: Uint8Array) => void): void {
  const getRandomValues = <T extends ArrayBufferView>(view: T): T => {
    fill(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    return view;
  };
  const randomUUID = (): string => {
    const bytes = getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  };
  define(globals, 'crypto', { getRandomValues, randomUUID });
}

const ISO = /^[+-]?\d{4,6}(-\d\d){0,2}(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** `Date` on virtual time, in UTC. Other texts than ISO 8601 give an invalid date: how they are read differs by machine. */
function installVirtualDate(nowMs: () => number): void {
  const Real = Date;
  const parse = (text: string): number => {
    if (!ISO.test(text)) return NaN;
    return Real.parse(text.includes('T') && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text}Z` : text);
  };
  const timeOf = (value: unknown): number => {
    const plain: unknown = value instanceof Real ? value.getTime() : typeof value === 'object' && value !== null ? String(value) : value;
    return typeof plain === 'string' ? parse(plain) : Number(plain);
  };
  function VirtualDate(this: unknown, ...parts: unknown[]): unknown {
    if (new.target === undefined) return new Real(Math.floor(nowMs())).toUTCString();
    const ms = parts.length === 0 ? Math.floor(nowMs()) : parts.length === 1 ? timeOf(parts[0]) : Real.UTC(...(parts as [number, number]));
    return Reflect.construct(Real, [ms], new.target as unknown as () => void);
  }
  const prototype = Real.prototype as unknown as Mutable;
  for (const part of ['FullYear', 'Month', 'Date', 'Day', 'Hours', 'Minutes', 'Seconds', 'Milliseconds']) {
    define(prototype, `get${part}`, prototype[`getUTC${part}`]);
    if (part !== 'Day') define(prototype, `set${part}`, prototype[`setUTC${part}`]);
  }
  define(prototype, 'getTimezoneOffset', () => 0);
  define(prototype, 'toString', prototype.toUTCString);
  define(prototype, 'toDateString', function (this: Date) { return this.toUTCString().slice(0, 16); });
  define(prototype, 'toTimeString', function (this: Date) { return this.toUTCString().slice(17); });
  define(prototype, 'constructor', VirtualDate);
  VirtualDate.prototype = prototype;
  define(VirtualDate, 'name', 'Date');
  define(VirtualDate, 'UTC', Real.UTC);
  define(VirtualDate, 'parse', (text: unknown) => parse(String(text)));
  define(VirtualDate, 'now', () => Math.floor(nowMs()));
  define(globals, 'Date', VirtualDate);
}

function forbid(owner: object, ownerName: string, names: readonly string[]): void {
  for (const name of names) {
    define(owner, name, () => {
      throw new Error(`${ownerName}.${name} shows the machine's locale and is not available in a deterministic thread`);
    });
  }
}

function installDeterminism(ports: RealmPorts, gate: Gate): void {
  const guarded = (what: string, read: () => number) => () => {
    if (!gate.open) throw new Error(`${what} is available only inside handlers of a deterministic thread, not in its module or codec`);
    return read();
  };
  installVirtualDate(guarded('Date of now', ports.now));
  define(Math, 'random', guarded('Math.random', ports.random));
  define(globals, 'performance', { now: guarded('performance.now', ports.now) });
  const randomByte = guarded('crypto', () => Math.floor(ports.random() * 256));
  installRandomValues((bytes) => { for (let i = 0; i < bytes.length; i++) bytes[i] = randomByte(); });
  for (const name of ['Intl', 'WeakRef', 'FinalizationRegistry']) delete globals[name];
  forbid(Date.prototype, 'Date.prototype', ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString']);
  forbid(String.prototype, 'String.prototype', ['localeCompare', 'toLocaleLowerCase', 'toLocaleUpperCase']);
  for (const owner of [Number, BigInt, Array]) forbid(owner.prototype, `${owner.name}.prototype`, ['toLocaleString']);
}

/** Makes the realm's globals what they are to be; before anything of the program is loaded. */
export function installGlobals(deterministic: boolean, ports: RealmPorts, gate: Gate): void {
  for (const name of ['Atomics', 'SharedArrayBuffer', 'WebAssembly']) delete globals[name];
  installUtf8(ports);
  const log = (...parts: unknown[]): void => ports.log(textOfParts(parts));
  define(globals, 'console', { log, info: log, warn: log, error: log, debug: log });
  define(globals, 'queueMicrotask', (job: () => unknown) => { void Promise.resolve().then(job); });
  if (deterministic) installDeterminism(ports, gate);
  else {
    define(globals, 'performance', { now: () => ports.monotonicMs() });
    installRandomValues((bytes) => bytes.set(ports.randomBytes(bytes.length)));
  }
}
