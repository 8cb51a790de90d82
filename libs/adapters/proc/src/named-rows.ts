/**
 * Rows of a table that the kernel prints with a name in each (interfaces, disks). The name is compared as bytes with that
 * of the same row at the last reading, so that a string is made only when the table changed.
 */
import type { Scanner } from './scanner.js';
import { word } from './scanner.js';

interface Row<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

export class NamedRows<T> {
  private readonly order: Row<T>[] = [];
  private readonly byName = new Map<string, Row<T>>();

  /** @param delimiter the character that ends a name, `:` or a blank @param make called once for each name */
  constructor(private readonly delimiter: string, private readonly make: (name: string) => T) {}

  /** Reads the name at the scanner, which stands at its first byte, and moves behind the delimiter. */
  next(scanner: Scanner, row: number): T {
    const expected = this.order[row];
    if (expected !== undefined && scanner.accept(expected.bytes)) return expected.value;
    const name = scanner.word(this.delimiter.charCodeAt(0));
    scanner.at += 1;
    let found = this.byName.get(name);
    if (found === undefined) {
      found = { bytes: word(name + this.delimiter), value: this.make(name) };
      this.byName.set(name, found);
    }
    this.order[row] = found;
    return found.value;
  }
}

/**
 * Adds up the growth of a counter that belongs to one row. A row that was missing in the round before, or that fell
 * back, starts anew: an interface that comes with a history must not look like a burst.
 */
export class RowGrowth {
  private previous = 0;
  private round = -1;

  /** @returns the growth since round `round - 1`, 0 when the row was not there or was reset. */
  since(counter: number, round: number): number {
    const growth = this.round === round - 1 ? counter - this.previous : 0;
    this.previous = counter;
    this.round = round;
    return Math.max(0, growth);
  }
}
