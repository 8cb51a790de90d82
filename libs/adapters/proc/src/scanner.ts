/**
 * Reads numbers and words straight from the bytes of the newest read, without making a string.
 * A number counts only if a byte follows it that is no digit: the last digits of a short read may be missing,
 * and a counter that lost a digit would look like a reset.
 */
import { lastRead } from './kept-file.js';

const SPACE = 0x20;
const NEWLINE = 0x0a;
const TAB = 0x09;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const DOT = 0x2e;

export class Scanner {
  at = 0;
  end = 0;
  private bytes: Buffer = lastRead();

  /** Starts at the first byte of the newest read. @param length what `readRecord` or `readWhole` returned. */
  begin(length: number): void {
    this.bytes = lastRead();
    this.at = 0;
    this.end = Math.max(0, length);
  }

  get more(): boolean {
    return this.at < this.end;
  }

  /** The next unsigned integer after spaces, or -1 if there is none or its end was cut off. */
  integer(): number {
    this.skipBlanks();
    const start = this.at;
    let value = 0;
    while (this.at < this.end) {
      const byte = this.bytes[this.at] as number;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
      this.at += 1;
    }
    return this.at === start || this.at === this.end ? -1 : value;
  }

  /** The next signed decimal number such as `-5` or `0.03`, or NaN. */
  decimal(): number {
    this.skipBlanks();
    const negative = this.at < this.end && this.bytes[this.at] === MINUS;
    if (negative) this.at += 1;
    const whole = this.integer();
    if (whole < 0) return Number.NaN;
    let value = whole;
    if (this.bytes[this.at] === DOT) {
      this.at += 1;
      const start = this.at;
      const fraction = this.integer();
      if (fraction < 0) return Number.NaN;
      value += fraction / 10 ** (this.at - start);
    }
    return negative ? -value : value;
  }

  /** Passes over `count` fields separated by blanks on this line. */
  skipFields(count: number): void {
    for (let field = 0; field < count; field += 1) {
      this.skipBlanks();
      while (this.at < this.end && !this.isBlank() && this.bytes[this.at] !== NEWLINE) this.at += 1;
    }
  }

  /** Moves to the first byte of the next line. */
  nextLine(): void {
    const found = this.bytes.indexOf(NEWLINE, this.at);
    this.at = found < 0 || found >= this.end ? this.end : found + 1;
  }

  skipBlanks(): void {
    while (this.at < this.end && this.isBlank()) this.at += 1;
  }

  /** Whether the bytes here are `word`; if so, moves behind it. */
  accept(word: Uint8Array): boolean {
    if (this.at + word.length > this.end) return false;
    for (let index = 0; index < word.length; index += 1) {
      if (this.bytes[this.at + index] !== word[index]) return false;
    }
    this.at += word.length;
    return true;
  }

  /** Moves behind the next occurrence of `word`, from here on. @returns whether there is one. */
  seek(word: Uint8Array): boolean {
    const found = this.bytes.indexOf(word, this.at);
    if (found < 0 || found + word.length > this.end) return false;
    this.at = found + word.length;
    return true;
  }

  /** Moves behind the last occurrence of `byte`, looking at all that was read. */
  seekLast(byte: number): boolean {
    const found = this.bytes.lastIndexOf(byte, this.end - 1);
    if (found < 0) return false;
    this.at = found + 1;
    return true;
  }

  /** The next word up to a blank, a newline or `stop`, as a string: for names seen for the first time. */
  word(stop = NEWLINE): string {
    this.skipBlanks();
    const start = this.at;
    while (this.at < this.end && !this.isBlank() && this.bytes[this.at] !== NEWLINE && this.bytes[this.at] !== stop) this.at += 1;
    return this.bytes.toString('latin1', start, this.at);
  }

  private isBlank(): boolean {
    const byte = this.bytes[this.at];
    return byte === SPACE || byte === TAB;
  }
}

/** A word to look for, as bytes, made once. */
export const word = (text: string): Uint8Array => Buffer.from(text, 'latin1');
