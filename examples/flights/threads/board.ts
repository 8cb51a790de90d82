/**
 * The departures board: per airport, how many flights and how far their delays spread. Checks what it is given: flights are
 * numbered, so that one that is missing or comes twice is seen at once, and stays in its figures.
 */
import { defineThread, jsonCodec } from '@godwit/sdk';

interface Figures {
  flights: number;
  delayMinutes: number;
  spreadMinutes: number;
}
export interface Board {
  /** Flights counted; the number of the next is one more. */
  flights: number;
  missing: number;
  repeated: number;
  /** Running hash (FNV-1a, 32 bits) of every line. */
  digest: number;
  readonly airports: Map<string, Figures>;
}
/** What the board says every so often. */
export interface BoardLine {
  readonly flights: number;
  readonly missing: number;
  readonly repeated: number;
  readonly digest: string;
  readonly airports: number;
  /** The airports from which most delay spreads, minutes per flight. */
  readonly worst: readonly { readonly airport: string; readonly flights: number; readonly meanDelay: number; readonly meanSpread: number }[];
}

/** Flights between two lines of the board. */
export const LINE_EVERY_FLIGHTS = 250;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const SHOWN = 3;
/** An airport with fewer flights than this is not ranked. */
const LEAST_FLIGHTS = 20;

export function digestOf(line: string, digest: number = FNV_OFFSET): number {
  let hash = digest;
  for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), FNV_PRIME) >>> 0;
  return hash;
}

export const emptyBoard = (): Board => ({ flights: 0, missing: 0, repeated: 0, digest: FNV_OFFSET, airports: new Map() });

/** One line of `network`: id,FROM,TO,delay,reached,connections,spread,worst. */
export function count(board: Board, line: string): void {
  const [id, from = '', , delay, , , spread] = line.split(',');
  const number = Number(id);
  const expected = board.flights + board.missing + 1;
  if (number < expected) board.repeated++;
  else {
    board.missing += number - expected;
    board.flights++;
  }
  board.digest = digestOf(line, board.digest);
  const figures = board.airports.get(from) ?? { flights: 0, delayMinutes: 0, spreadMinutes: 0 };
  figures.flights++;
  figures.delayMinutes += Number(delay);
  figures.spreadMinutes += Number(spread);
  board.airports.set(from, figures);
}

const oneDecimal = (value: number): number => Math.round(value * 10) / 10;

export function boardLine({ flights, missing, repeated, digest, airports }: Board): BoardLine {
  const ranked = [...airports].filter(([, figures]) => figures.flights >= LEAST_FLIGHTS)
    .map(([airport, f]) => ({ airport, flights: f.flights, meanDelay: oneDecimal(f.delayMinutes / f.flights), meanSpread: oneDecimal(f.spreadMinutes / f.flights) }))
    .sort((a, b) => b.meanSpread - a.meanSpread || (a.airport < b.airport ? -1 : 1));
  return { flights, missing, repeated, digest: digest.toString(16).padStart(8, '0'), airports: airports.size, worst: ranked.slice(0, SHOWN) };
}

export default defineThread<Board>({
  name: 'board',
  version: '1.0.0',
  deterministic: true,
  codec: jsonCodec(),
  initial: emptyBoard,
  onMessage(ctx, message, state) {
    const before = Math.floor(state.flights / LINE_EVERY_FLIGHTS);
    for (const line of new TextDecoder().decode(message.payload).split('\n')) if (line !== '') count(state, line);
    if (Math.floor(state.flights / LINE_EVERY_FLIGHTS) > before) ctx.emit('board', boardLine(state));
  },
  onEnd: (ctx, state) => ctx.emit('board', boardLine(state)),
});
