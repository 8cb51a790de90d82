/**
 * A state as JSON, faithfully: what does not survive the way to bytes and back unchanged is refused with its path, since
 * a moved thread would go on differently from one that stayed.
 *
 *  J1. decode(encode(state)) cannot be told from `state` by a handler. So `-0` stays, a property that is `undefined` is
 *      refused (it would vanish), and so are class instances and an object that stands at two places (it would become
 *      two), unless it is frozen.
 *  J2. Equal states give equal bytes. The order in which an object's keys were added is part of the state, because
 *      `for … in` shows it: sorting them would let a moved thread iterate otherwise than an unmoved one. States that
 *      are never iterated, and are compared across different histories, can take `keys: 'sorted'`.
 *
 * Beyond JSON: Map, Set (in insertion order), bigint, typed arrays (little-endian). They are written as objects with one
 * key that begins with `$`; a `$` that begins a key of the author's is doubled.
 */
import { base64, fromBase64 } from './base64.js';
import type { StateCodec } from './thread.js';

export interface JsonCodecOptions {
  /** `kept` (the default): in the order in which they were added. `sorted`: by UTF-16 code unit, see J2. */
  readonly keys?: 'kept' | 'sorted';
}

const TYPED = {
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array,
  Float32Array, Float64Array,
} as const;
type TypedName = keyof typeof TYPED;
const isTypedName = (name: string): name is TypedName => Object.hasOwn(TYPED, name);

function fail(path: string, what: string): never {
  throw new TypeError(`jsonCodec: ${path} ${what}`);
}

class Writer {
  private readonly seen = new Set<object>();
  private readonly open = new Set<object>();
  constructor(private readonly sorted: boolean) {}

  text(value: unknown, path: string): string {
    switch (typeof value) {
      case 'string': return JSON.stringify(value);
      case 'boolean': return value ? 'true' : 'false';
      case 'number':
        if (!Number.isFinite(value)) fail(path, `is ${value}, which JSON does not have`);
        return Object.is(value, -0) ? '-0' : String(value);
      case 'bigint': return `{"$bigint":"${value}"}`;
      case 'object': return value === null ? 'null' : this.object(value, path);
      case 'undefined': return fail(path, 'is undefined and would vanish: leave it out, or use null');
      default: return fail(path, `is a ${typeof value}, which is no state`);
    }
  }

  private object(value: object, path: string): string {
    if (this.open.has(value)) fail(path, 'contains itself');
    if (this.seen.has(value) && !Object.isFrozen(value)) fail(path, 'stands at two places of the state and would become two objects: copy or freeze it');
    this.seen.add(value);
    this.open.add(value);
    const text = this.contents(value, path);
    this.open.delete(value);
    return text;
  }

  private contents(value: object, path: string): string {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.plain(value as Record<string, unknown>, path);
    if (prototype === Array.prototype) return this.list(value as unknown[], path);
    if (prototype === Map.prototype) return `{"$Map":${this.list([...(value as Map<unknown, unknown>)], `${path}.entries`, 'fresh')}}`;
    if (prototype === Set.prototype) return `{"$Set":${this.list([...(value as Set<unknown>)], `${path}.values`)}}`;
    const name = (prototype as { constructor?: { name?: unknown } } | null)?.constructor?.name;
    if (ArrayBuffer.isView(value) && typeof name === 'string' && isTypedName(name) && prototype === TYPED[name].prototype) {
      return `{"$${name}":"${base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}"}`;
    }
    return fail(path, `is ${prototype === null ? 'an object without prototype' : `a ${String(name)}`}; only plain objects, arrays, Map, Set, bigint and typed arrays come back as they were`);
  }

  /** @param items `fresh` when each item was made just now and needs no look at whether it was seen. */
  private list(items: readonly unknown[], path: string, fresh?: 'fresh'): string {
    const texts: string[] = [];
    for (let i = 0; i < items.length; i++) {
      const at = `${path}[${i}]`;
      texts.push(fresh ? this.list(items[i] as unknown[], at) : this.text(items[i], at));
    }
    return `[${texts.join(',')}]`;
  }

  private plain(value: Record<string, unknown>, path: string): string {
    if (Object.getOwnPropertySymbols(value).length > 0) fail(path, 'has a property whose name is a symbol');
    const keys = Object.keys(value);
    if (this.sorted) keys.sort();
    const texts = keys.map((key) => `${JSON.stringify(key.startsWith('$') ? `$${key}` : key)}:${this.text(value[key], `${path}.${key}`)}`);
    return `{${texts.join(',')}}`;
  }
}

function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = revive(value[i]);
    return value;
  }
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields);
  const [first] = keys;
  if (keys.length === 1 && first!.startsWith('$') && !first!.startsWith('$$')) return reviveTagged(first!.slice(1), fields[first!]);
  if (!keys.some((key) => key.startsWith('$'))) {
    // In place, and never through the setter of `__proto__`.
    for (const key of keys) if (typeof fields[key] === 'object') define(fields, key, revive(fields[key]));
    return fields;
  }
  const renamed = {};
  for (const key of keys) define(renamed, key.startsWith('$$') ? key.slice(1) : key, revive(fields[key]));
  return renamed;
}

function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function reviveTagged(tag: string, content: unknown): unknown {
  if (tag === 'bigint') return BigInt(content as string);
  if (tag === 'Map') return new Map((content as [unknown, unknown][]).map(([key, item]) => [revive(key), revive(item)]));
  if (tag === 'Set') return new Set((content as unknown[]).map(revive));
  if (isTypedName(tag)) return new TYPED[tag](fromBase64(content as string).buffer);
  throw new TypeError(`jsonCodec: {"$${tag}": …} is none of its forms`);
}

/** The JSON text of a value with sorted keys: equal for any two values that differ in the order of keys only. @throws TypeError with the path of what JSON cannot hold. */
export const canonicalJson = (value: unknown): string => new Writer(true).text(value, 'value');

/**
 * The codec for states of plain objects, arrays, Map, Set, bigint and typed arrays.
 * @throws TypeError (from `encode`) with the path of what cannot be encoded faithfully.
 */
export function jsonCodec<State>(options: JsonCodecOptions = {}): StateCodec<State> {
  const { keys = 'kept' } = options;
  if (keys !== 'kept' && keys !== 'sorted') throw new TypeError(`jsonCodec: keys must be 'kept' or 'sorted', but is ${String(keys)}`);
  return {
    encode: (state) => new TextEncoder().encode(new Writer(keys === 'sorted').text(state, 'state')),
    decode: (bytes) => revive(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))) as State,
  };
}
