/** The building blocks of schemas: ids, hashes, whole numbers that JavaScript can hold exactly, closed sets, bytes. */
import { isId, isSha256, type Sha256 } from '@godwit/kernel';
import { z } from 'zod';

/** A branded id of the form `[a-z0-9-]{1,64}`. */
export const id = <Id extends string>() =>
  z.custom<Id>((value) => isId(value), { error: 'must be 1 to 64 of a-z, 0-9 and -' });
/** An id that may be absent; the empty string of proto3 counts as absent. */
export const optionalId = <Id extends string>() => z.optional(id<Id>());
export const sha256 = z.custom<Sha256>((value) => isSha256(value), { error: 'must be 64 lower-case hexadecimal digits (SHA-256)' });
/** A whole number from 0 to 2^53 - 1: sequences, epochs, counts, bytes. */
export const whole = z.int().min(0);
export const positive = z.int().min(1);
export const finite = z.number().refine(Number.isFinite, 'must be finite');
export const ratio = z.number().min(0).max(1);
export const nonNegative = z.number().min(0).max(1e15);
export const shortText = z.string().max(256);
export const longText = z.string().max(4096);

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** Bytes: `Uint8Array` on the wire, base64 text in JSON. */
export const bytes = (maxBytes: number) =>
  z.codec(
    z.custom<Uint8Array | string>((v) => v instanceof Uint8Array || (typeof v === 'string' && v.length % 4 === 0 && BASE64.test(v)), {
      error: 'must be bytes (base64 in JSON)',
    }),
    z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length <= maxBytes, { error: `must be at most ${maxBytes} bytes` }),
    { decode: (v) => (typeof v === 'string' ? new Uint8Array(Buffer.from(v, 'base64')) : v), encode: (v) => v },
  );

/** A closed set: `kebab-case` inside and in JSON, `PREFIX_UPPER_CASE` in Protocol Buffers. Unknown and unspecified values are refused. */
export function closedSet<const Values extends readonly [string, ...string[]]>(prefix: string, values: Values) {
  type Value = Values[number];
  const protoName = (value: string): string => `${prefix}_${value.replaceAll('-', '_').toUpperCase()}`;
  const byProto = new Map<string, Value>(values.map((value) => [protoName(value), value]));
  return z.codec(z.custom<string>((given) => typeof given === 'string' && (byProto.has(given) || values.includes(given)), {
    error: `must be one of ${values.join(', ')}`,
  }), z.custom<Value>((value) => typeof value === 'string' && values.includes(value)), {
    decode: (given) => byProto.get(given) ?? (given as Value),
    encode: (value) => protoName(value),
  });
}

/** A field that may be left out: absent, null, and proto3's zero or empty value all mean `fallback`. */
export function defaulted<Inner extends z.ZodType>(inner: Inner, fallback: z.output<Inner>) {
  const absent = (given: unknown): boolean => given === undefined || given === null || given === '' || given === 0;
  return z.codec(z.unknown().optional(), inner, {
    decode: (given) => (absent(given) ? z.encode(inner, fallback) : given) as z.input<Inner>,
    encode: (value) => value as unknown,
  });
}

/** A nested message that may be left out, and then is absent: proto3 gives null for it. */
export function maybeMessage<Inner extends z.ZodType>(inner: Inner) {
  return z.codec(z.unknown().optional(), z.optional(inner), { decode: (given) => (given ?? undefined) as z.input<Inner> | undefined, encode: (value) => value as unknown });
}

/** A nested message that may be left out: absent and null mean the message with all its defaults. */
export function optionalMessage<Inner extends z.ZodType>(inner: Inner) {
  return z.codec(z.unknown().optional(), inner, {
    decode: (given) => (given ?? {}) as z.input<Inner>,
    encode: (value) => value as unknown,
  });
}
