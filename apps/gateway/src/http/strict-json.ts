/**
 * JSON, refused where JavaScript's parser would lose or hide something: a duplicated key, `__proto__`, a number that is
 * rounded or becomes infinite, half a surrogate pair, nesting that exhausts a later recursion. One pass over the text,
 * without recursion; then `JSON.parse`.
 */
import { refused } from './refused.js';

/** Nothing that Godwit takes nests deeper than 5. */
const MAX_DEPTH = 32;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const LONE_SURROGATE = /\p{Surrogate}/u;
const INTEGER = /^-?\d+$/;

/** @throws RefusedError that names the field. */
export function strictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refused('malformed-message', 'the body is not UTF-8');
  }
  new Inspection(text).run();
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refused('malformed-message', `the body is not JSON: ${(cause as Error).message}`);
  }
}

/** An object or array that is open at the present place. */
interface Open {
  readonly keys: Set<string> | undefined;
  /** Key or index that is being read. */
  at: string | number;
  awaitsKey: boolean;
}

class Inspection {
  private readonly open: Open[] = [];
  private place = 0;

  constructor(private readonly text: string) {}

  run(): void {
    while (this.place < this.text.length) this.step(this.text[this.place]!);
  }

  private step(char: string): void {
    const top = this.open.at(-1);
    if (char === '"') return this.takeString(top);
    if (char === '-' || (char >= '0' && char <= '9')) return this.takeNumber();
    if (char === '{' || char === '[') this.enter(char);
    else if (char === '}' || char === ']') this.open.pop();
    else if (char === ',' && top) {
      if (top.keys) top.awaitsKey = true;
      else top.at = Number(top.at) + 1;
    }
    this.place++;
  }

  private enter(char: string): void {
    if (this.open.length >= MAX_DEPTH) refused('malformed-message', `the body nests deeper than ${MAX_DEPTH}`);
    this.open.push(char === '{' ? { keys: new Set(), at: '', awaitsKey: true } : { keys: undefined, at: 0, awaitsKey: false });
  }

  private takeString(top: Open | undefined): void {
    const end = this.endOfString();
    const raw = this.text.slice(this.place, end);
    this.place = end;
    const value = raw.includes('\\') ? unescaped(raw) : raw.slice(1, -1);
    const isKey = top?.keys !== undefined && top.awaitsKey;
    if (isKey) this.takeKey(top, value);
    if (LONE_SURROGATE.test(value)) refused('invalid-field', `field ${this.path()}: holds half a surrogate pair, which is no text`, this.path());
  }

  private takeKey(top: Open, key: string): void {
    top.at = key.slice(0, 128);
    top.awaitsKey = false;
    if (FORBIDDEN_KEYS.has(key)) refused('invalid-field', `unknown field ${JSON.stringify(key)}`, this.path());
    if (top.keys!.has(key)) refused('invalid-field', `field ${this.path()}: stands there twice`, this.path());
    top.keys!.add(key);
  }

  /** The place behind the closing quote; the text's end when there is none. */
  private endOfString(): number {
    let quote = this.place;
    for (;;) {
      quote = this.text.indexOf('"', quote + 1);
      if (quote < 0) return this.text.length;
      let slashes = 0;
      while (this.text[quote - 1 - slashes] === '\\') slashes++;
      if (slashes % 2 === 0) return quote + 1;
    }
  }

  private takeNumber(): void {
    const start = this.place;
    while (this.place < this.text.length && /[-+.\deE]/.test(this.text[this.place]!)) this.place++;
    const raw = this.text.slice(start, this.place);
    const value = Number(raw);
    if (Math.abs(value) === Number.POSITIVE_INFINITY) refused('invalid-field', `field ${this.path()}: ${raw.slice(0, 40)} is out of range`, this.path());
    if (INTEGER.test(raw) && !Number.isSafeInteger(value)) refused('invalid-field', `field ${this.path()}: ${raw.slice(0, 40)} cannot be held exactly`, this.path());
  }

  private path(): string {
    return this.open.map(({ at }) => String(at)).filter((part) => part !== '').join('.');
  }
}

/** What an escaped string means; as it stands when it is no valid string, which `JSON.parse` then refuses. */
function unescaped(raw: string): string {
  try {
    return JSON.parse(raw) as string;
  } catch {
    return raw;
  }
}
