/**
 * One message kind: Protocol Buffers on the wire, a core type inside, and a zod schema as the border between them.
 * The schema serves bytes and JSON alike, so both are refused for the same reasons, with the field's name.
 *
 * Invariants: W1. `decode` never throws on bytes from elsewhere. W2. Proto enums and defaults stop here.
 */
import { refuse, type Refusal } from '@godwit/kernel';
import { z } from 'zod';

/** What protobufjs generates for a message, as far as we use it. */
export interface GeneratedMessage {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  toObject(message: never, options: object): Record<string, unknown>;
  fromObject(object: Record<string, unknown>): unknown;
}

export interface MessageCodec<Core> {
  readonly name: string;
  encode(value: Core): Uint8Array;
  decode(bytes: Uint8Array): Core | Refusal;
  /** The JSON mapping: camelCase fields, kebab-case for closed sets, base64 for bytes. */
  toJson(value: Core): unknown;
  /** @param json a parsed JSON value. Unknown fields are refused. */
  fromJson(json: unknown): Core | Refusal;
  readonly schema: z.ZodType<Core>;
}

const TO_OBJECT = { enums: String, longs: Number, defaults: true, arrays: true, objects: true, oneofs: false };

/** The first problem of a zod error as a Refusal with the field's path. */
export function refusalOf(error: z.ZodError, what: string): Refusal {
  const issue = error.issues[0];
  if (!issue) return refuse('invalid-field', `${what}: invalid`);
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const field = [...issue.path, ...keys.slice(0, 1)].map(String).join('.');
  const reason = keys.length > 0 ? `unknown field ${JSON.stringify(keys[0])}` : issue.message;
  return refuse('invalid-field', field ? `${what}: field ${field}: ${reason}` : `${what}: ${reason}`, field);
}

/** Drops `undefined` keys: with `exactOptionalPropertyTypes` absent and undefined differ. */
function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(compact);
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined).map(([k, v]) => [k, compact(v)]));
}

const bytesToBase64 = (_key: string, value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value);

/**
 * @param schema its input is protobufjs's plain object (enums as names), its output the core type.
 * @throws only for our own mistakes, in `encode`.
 */
export function messageCodec<Core>(name: string, generated: unknown, schema: z.ZodType<Core, unknown>): MessageCodec<Core> {
  const type = generated as GeneratedMessage;
  const parse = (value: unknown): Core | Refusal => {
    const parsed = schema.safeParse(value);
    return parsed.success ? (compact(parsed.data) as Core) : refusalOf(parsed.error, name);
  };
  return {
    name,
    schema: schema as z.ZodType<Core>,
    encode: (value) => type.encode(type.fromObject(z.encode(schema, value) as Record<string, unknown>) as never).finish(),
    decode: (bytes) => {
      let plain: Record<string, unknown>;
      try {
        plain = type.toObject(type.decode(bytes) as never, TO_OBJECT);
      } catch (cause) {
        return refuse('malformed-message', `${name}: not a Protocol Buffers message of this kind (${(cause as Error).message})`);
      }
      return parse(plain);
    },
    toJson: (value) => JSON.parse(JSON.stringify(value, bytesToBase64)),
    fromJson: parse,
  };
}
