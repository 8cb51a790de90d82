/**
 * Calls the author's handlers, from inside their realm: every object that a program sees is made here and is of its own
 * realm, so that `instanceof` works for it and nothing of Node's side hangs on it.
 */
import { isDefinedThread, type DefinedThread, type ThreadContext, type ThreadMessage } from '@godwit/sdk';
import { installGlobals, textOfParts } from './globals.js';
import type { Gate, RealmIdentity, RealmPorts } from './ports.js';

export type Step =
  | { readonly type: 'message'; readonly from: string; readonly kind: string; readonly payload: Uint8Array }
  | { readonly type: 'tick' }
  | { readonly type: 'end' };

/** A loaded program with its state. The functions let the author's errors through. */
export interface RealmThread {
  readonly name: string;
  readonly version: string;
  readonly deterministic: boolean;
  /** Makes the first state. */
  begin(): void;
  encode(): Uint8Array;
  /** Replaces the state, only when decoding succeeds. */
  decode(bytes: Uint8Array): void;
  /** A promise when the handler is asynchronous. */
  perform(step: Step): void | Promise<void>;
}

const KIND = /^[a-zA-Z0-9._-]{1,64}$/;

function payloadBytes(payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (ArrayBuffer.isView(payload) || payload instanceof ArrayBuffer) throw new TypeError('emit: payload is binary but no Uint8Array');
  const text: unknown = JSON.stringify(payload);
  if (typeof text !== 'string') throw new TypeError(`emit: payload is ${typeof payload}, which is neither bytes nor JSON`);
  return new TextEncoder().encode(text);
}

function createContext(identity: RealmIdentity, ports: RealmPorts, gate: Gate): ThreadContext {
  const inHandler = (what: string): void => {
    if (!gate.open) throw new Error(`ctx.${what} is available only while a handler runs`);
  };
  return Object.freeze({
    threadId: identity.thread,
    args: Object.freeze(Array.from(identity.args, String)),
    env: Object.freeze(Object.fromEntries(Object.entries(identity.env).map(([name, value]) => [name, String(value)]))),
    now(): number {
      inHandler('now');
      return ports.now();
    },
    random(): number {
      inHandler('random');
      return ports.random();
    },
    emit(kind: string, payload: unknown): void {
      inHandler('emit');
      if (typeof kind !== 'string' || !KIND.test(kind)) throw new TypeError(`emit: kind ${String(JSON.stringify(kind)).slice(0, 80)} is not of the form [a-zA-Z0-9._-]{1,64}`);
      ports.emit(kind, payloadBytes(payload));
    },
    safepoint(): Promise<void> {
      inHandler('safepoint');
      return new Promise((resolve) => ports.safepoint(() => resolve()));
    },
    log(...parts: readonly unknown[]): void {
      ports.log(textOfParts(parts));
    },
  });
}

const createMessage = (from: string, kind: string, payload: Uint8Array): ThreadMessage => ({
  from, kind, payload,
  json<T>(): T {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as T;
  },
});

class LoadedThread implements RealmThread {
  readonly name: string;
  readonly version: string;
  readonly deterministic: boolean;
  private state: unknown;

  constructor(private readonly definition: DefinedThread<unknown>, private readonly ctx: ThreadContext, private readonly gate: Gate) {
    this.name = definition.name;
    this.version = definition.version;
    this.deterministic = definition.deterministic === true;
  }

  begin(): void {
    this.gate.open = true;
    try {
      this.state = this.definition.initial();
    } finally {
      this.gate.open = false;
    }
  }

  encode(): Uint8Array {
    const bytes: unknown = this.definition.codec.encode(this.state);
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`codec.encode gave ${bytes === null ? 'null' : typeof bytes} instead of a Uint8Array`);
    return bytes;
  }

  decode(bytes: Uint8Array): void {
    this.state = this.definition.codec.decode(new Uint8Array(bytes));
  }

  perform(step: Step): void | Promise<void> {
    this.gate.open = true;
    let next: unknown;
    try {
      next = this.call(step);
    } catch (error) {
      this.gate.open = false;
      throw error;
    }
    if (next instanceof Promise) return this.finish(next);
    this.gate.open = false;
    this.take(next);
  }

  private call(step: Step): unknown {
    const { definition, ctx, state } = this;
    if (step.type === 'tick') return definition.onTick?.(ctx, state);
    if (step.type === 'end') return definition.onEnd?.(ctx, state);
    return definition.onMessage(ctx, createMessage(String(step.from), String(step.kind), new Uint8Array(step.payload)), state);
  }

  private async finish(pending: Promise<unknown>): Promise<void> {
    try {
      this.take(await pending);
    } finally {
      this.gate.open = false;
    }
  }

  private take(next: unknown): void {
    if (next !== undefined) this.state = next;
  }
}

/** What Node's side takes hold of: first `prepare`, then the program is loaded, then `adopt` on its default export. */
export interface RealmSetup {
  prepare(deterministic: boolean): void;
  /** Undefined when it is not the result of `defineThread`. */
  adopt(exported: unknown): RealmThread | undefined;
}

export function setUpRealm(identity: RealmIdentity, ports: RealmPorts): RealmSetup {
  const gate: Gate = { open: false };
  return {
    prepare: (deterministic) => installGlobals(deterministic, ports, gate),
    adopt: (exported) => (isDefinedThread(exported) ? new LoadedThread(exported, createContext(identity, ports, gate), gate) : undefined),
  };
}
