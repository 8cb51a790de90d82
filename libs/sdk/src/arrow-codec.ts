import type { StateCodec } from './thread.js';

/** What the codec takes of an Arrow library: `apache-arrow` and what is compatible with it have both. */
export interface ArrowLibrary<Table> {
  tableToIPC(table: Table, type: 'stream'): Uint8Array | null;
  tableFromIPC(bytes: Uint8Array): Table;
}

/** Between the state that handlers work on and its columns. */
export interface ArrowState<State, Table> {
  /** Equal states must give tables of equal columns, in the same order and of the same types. */
  toTable(state: State): Table;
  fromTable(table: Table): State;
}

/**
 * A state whose bulk is columns, as one stream of Arrow's IPC format: columns are copied as they lie in memory, so a
 * large numeric state costs a memcpy where JSON would print and parse each number. The author bundles an Arrow library
 * into the program and hands it over, since a program holds all of its code.
 *
 *     arrowCodec(arrow, {
 *       toTable: (state) => arrow.tableFromArrays({ price: state.prices, sold: state.sold }),
 *       fromTable: (table) => ({ prices: table.getChild('price').toArray().slice(), sold: table.getChild('sold').toArray().slice() }),
 *     })
 *
 * `fromTable` must copy what handlers will change: a table's columns are views on the bytes that came in.
 * @throws TypeError when a function is missing; from `encode` when the library gives no bytes.
 */
export function arrowCodec<State, Table>(arrow: ArrowLibrary<Table>, state: ArrowState<State, Table>): StateCodec<State> {
  if (typeof arrow?.tableToIPC !== 'function' || typeof arrow.tableFromIPC !== 'function') {
    throw new TypeError('arrowCodec: arrow must have the functions tableToIPC(table, "stream") and tableFromIPC(bytes), as apache-arrow does');
  }
  if (typeof state?.toTable !== 'function' || typeof state.fromTable !== 'function') {
    throw new TypeError('arrowCodec: the state needs the functions toTable(state) and fromTable(table)');
  }
  return {
    encode(value) {
      const bytes = arrow.tableToIPC(state.toTable(value), 'stream');
      if (!(bytes instanceof Uint8Array)) throw new TypeError('arrowCodec: the Arrow library gave no bytes for the table');
      return bytes;
    },
    decode: (bytes) => state.fromTable(arrow.tableFromIPC(bytes)),
  };
}
