import type { ThreadDefinition } from './thread.js';

const DEFINED = Symbol.for('godwit.defined-thread');

/** A checked definition: what a program exports as its default. */
export type DefinedThread<State> = Readonly<ThreadDefinition<State>> & { readonly definedBy: '@godwit/sdk' };

/** A definition that cannot be run. `field` is the path of what was wrong, such as `codec.decode`. */
export class DefinitionError extends TypeError {
  override readonly name = 'DefinitionError';
  readonly field: string;
  constructor(field: string, wanted: string, given: unknown) {
    super(`defineThread: ${field} must be ${wanted}, but is ${describe(given)}`);
    this.field = field;
  }
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  return typeof value === 'object' || typeof value === 'function' ? `of type ${typeof value}` : String(value);
}

const NAME = /^[a-z0-9-]{1,64}$/;
const VERSION = /^[0-9A-Za-z.+-]{1,64}$/;
const FIELDS = ['name', 'version', 'deterministic', 'codec', 'initial', 'onMessage', 'onTick', 'onEnd'];

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

function checkFunctions(owner: Fields, path: string, names: { required: readonly string[]; optional: readonly string[] }): void {
  for (const name of names.required) if (typeof owner[name] !== 'function') throw new DefinitionError(path + name, 'a function', owner[name]);
  for (const name of names.optional) {
    if (owner[name] !== undefined && typeof owner[name] !== 'function') throw new DefinitionError(path + name, 'a function or left out', owner[name]);
  }
}

function check(definition: unknown): void {
  if (!isFields(definition)) throw new DefinitionError('definition', 'an object', definition);
  const unknown = Object.keys(definition).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) throw new DefinitionError(unknown, `left out (known fields: ${FIELDS.join(', ')})`, definition[unknown]);
  const { name, version, deterministic, codec } = definition;
  if (typeof name !== 'string' || !NAME.test(name)) throw new DefinitionError('name', 'of the form [a-z0-9-]{1,64}', name);
  if (typeof version !== 'string' || !VERSION.test(version)) throw new DefinitionError('version', 'a text of the form [0-9A-Za-z.+-]{1,64}', version);
  if (deterministic !== undefined && typeof deterministic !== 'boolean') throw new DefinitionError('deterministic', 'true, false or left out', deterministic);
  checkFunctions(definition, '', { required: ['initial', 'onMessage'], optional: ['onTick', 'onEnd'] });
  if (!isFields(codec)) throw new DefinitionError('codec', 'jsonCodec(), protobufCodec(type) or an object with encode and decode', codec);
  checkFunctions(codec, 'codec.', { required: ['encode', 'decode'], optional: ['diff', 'apply'] });
  if ((codec.diff === undefined) !== (codec.apply === undefined)) {
    const missing = codec.diff === undefined ? 'diff' : 'apply';
    throw new DefinitionError(`codec.${missing}`, 'given too, since the other of diff and apply is', undefined);
  }
}

/**
 * Defines a thread. A program is one ECMAScript module whose default export is the result of this call.
 * @throws DefinitionError naming the field.
 */
export function defineThread<State>(definition: ThreadDefinition<State>): DefinedThread<State> {
  check(definition);
  const defined = { ...definition, deterministic: definition.deterministic === true, definedBy: '@godwit/sdk' as const };
  Object.defineProperty(defined, DEFINED, { value: true });
  return Object.freeze(defined);
}

/** True for the result of `defineThread`, also of another copy of this SDK. */
export const isDefinedThread = (value: unknown): value is DefinedThread<unknown> =>
  isFields(value) && (value as { [DEFINED]?: unknown })[DEFINED] === true;
