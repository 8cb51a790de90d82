/**
 * What the realm of a program is given from outside. Code in this folder runs inside the realm, together with the
 * program; the functions here belong to Node's side. So no program ever gets hold of one: they stay in closures, give
 * plain numbers, texts or bytes (which are copied at once), and never throw.
 */
export interface RealmPorts {
  /** Virtual time, ms; each call counts as one poll. */
  now(): number;
  random(): number;
  /** The machine's own clock that never jumps, ms; for threads that are not deterministic. */
  monotonicMs(): number;
  randomBytes(length: number): Uint8Array;
  emit(kind: string, payload: Uint8Array): void;
  /** Calls back when the program may go on. */
  safepoint(resume: () => void): void;
  log(text: string): void;
  encodeUtf8(text: string): Uint8Array;
  /** Undefined where `fatal` and the bytes are not UTF-8. */
  decodeUtf8(bytes: Uint8Array, fatal: boolean): string | undefined;
}

/** Says whether the program's code may use time, chance and outputs now: only while a handler runs. */
export interface Gate { open: boolean }

export interface RealmIdentity {
  readonly thread: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}
