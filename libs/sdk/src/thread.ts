/** The shapes that an author of a thread meets: context, message, codec, definition. */

/** What a handler may use of the world. Everything here is the same at every replay, on every machine. */
export interface ThreadContext {
  readonly threadId: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /**
   * Virtual time, ms since 1970 with fractions: the broker's time of the record being served plus 1 ns for each time
   * that it was asked since. Never goes back. A loop that waits for it to pass does not end in reasonable time.
   */
  now(): number;
  /** Uniform in [0, 1), from a seeded source that is saved with the state. Not for secrets. */
  random(): number;
  /**
   * Sends a message. Bytes go as they are, everything else as JSON. What is emitted while one record is served leaves
   * as one output record, or as several when it passes 64 KiB. A handler that throws loses what was not cut yet.
   * @param kind `[a-zA-Z0-9._-]{1,64}`
   * @throws TypeError naming what was wrong with `kind` or `payload`; Error outside a handler.
   */
  emit(kind: string, payload: Uint8Array | JsonValue | object): void;
  /**
   * A long handler awaits this now and then, so that the runtime can hold it back where the machine must be shared.
   * The thread's state can NOT be taken here, only between handlers: a freeze waits until the handler has returned.
   */
  safepoint(): Promise<void>;
  /** One line to the operator's log; no output of the thread, and not replayed. */
  log(...parts: readonly unknown[]): void;
}

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** One message of an input record. */
export interface ThreadMessage {
  /** `in` for an input from outside, else the id of the thread that sent it. */
  readonly from: string;
  readonly kind: string;
  /** The thread's own copy. */
  readonly payload: Uint8Array;
  /** The payload as JSON. @throws SyntaxError when it is none. */
  json<T = unknown>(): T;
}

/**
 * How a state becomes bytes and comes back. The thread goes on elsewhere with `decode(encode(state))`, so nothing that
 * a handler can observe may get lost on the way. Neither may keep or read anything besides its argument.
 */
export interface StateCodec<State> {
  /** Equal states must give equal bytes. */
  encode(state: State): Uint8Array;
  decode(bytes: Uint8Array): State;
  /** What leads from one encoded state to the next; only together with `apply`. */
  diff?(base: Uint8Array, next: Uint8Array): Uint8Array;
  /** `apply(base, diff(base, next))` equals `next`. */
  apply?(base: Uint8Array, delta: Uint8Array): Uint8Array;
}

/** What a handler gives back: the next state, or nothing when it changed the one it was given. */
export type NextState<State> = State | void | Promise<State | void>;

/** A thread as its author writes it. All that it remembers must be in its state: variables of the module do not move. */
export interface ThreadDefinition<State> {
  /** `[a-z0-9-]{1,64}`. A state is taken over only by a program of the same name and version. */
  readonly name: string;
  /** `[0-9A-Za-z.+-]{1,64}` */
  readonly version: string;
  /** True promises that a replay gives the same outputs, bit for bit; the runtime then takes away what could break it. */
  readonly deterministic?: boolean;
  readonly codec: StateCodec<State>;
  /** The state before the first message; not called when the thread is restored. */
  initial(): State;
  onMessage(ctx: ThreadContext, message: ThreadMessage, state: State): NextState<State>;
  /** A timer's record came. Without it, ticks are passed over. */
  onTick?(ctx: ThreadContext, state: State): NextState<State>;
  /** No more input will come: the last chance to emit. The thread then exits with code 0. */
  onEnd?(ctx: ThreadContext, state: State): NextState<State>;
}
