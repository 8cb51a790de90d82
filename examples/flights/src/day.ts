/**
 * The recorded load: three months of flights, laid over each other as one long day, and that day compressed. A slot is one
 * input record; slots without a flight are left out, as nobody would send them.
 */
import type { DurationMs } from '@godwit/kernel';

/** A flight as `vega-datasets` has it; the date reads `2001/01/01 00:47`. */
export interface FlightRow {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}
export interface Slot {
  /** When to send it, after the day's beginning. */
  readonly afterMs: DurationMs;
  /** `date,delay,distance,origin,destination`, each ended by a newline. */
  readonly csv: string;
  readonly flights: number;
}
export interface Day {
  readonly slots: readonly Slot[];
  readonly flights: number;
  readonly lengthMs: DurationMs;
}

const DAY_MINUTES = 1_440;
const DATE = /^\d{4}\/\d{2}\/\d{2} ([01]\d|2[0-3]):([0-5]\d)$/;

/** @throws RangeError naming the date that is none. */
export function minuteOfDay(date: string): number {
  const found = DATE.exec(date);
  if (!found) throw new RangeError(`date: ${JSON.stringify(date)} is not of the form 2001/01/31 23:59`);
  return Number(found[1]) * 60 + Number(found[2]);
}

/** "07:05" for a share of the day, 0..1. */
export function timeOfDay(ratio: number): string {
  const minute = Math.min(DAY_MINUTES - 1, Math.floor(ratio * DAY_MINUTES));
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

/** @param lengthMs what the day is compressed to. @param slotMs one input record is sent each so often. */
export function shapeDay(rows: readonly FlightRow[], { lengthMs, slotMs }: { readonly lengthMs: DurationMs; readonly slotMs: DurationMs }): Day {
  if (!(lengthMs > 0) || !(slotMs > 0)) throw new RangeError(`a day of ${lengthMs} ms in slots of ${slotMs} ms: both must be above 0`);
  const ordered = rows.map((row, at) => ({ row, at, minute: minuteOfDay(row.date) }))
    .sort((a, b) => a.minute - b.minute || (a.row.date < b.row.date ? -1 : a.row.date > b.row.date ? 1 : a.at - b.at));
  const bySlot = new Map<number, string[]>();
  // Minutes are coarser than slots: the flights of one minute are spread over it.
  const inMinute = new Map<number, number>();
  const perMinute = new Map<number, number>();
  for (const { minute } of ordered) perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  for (const { row, minute } of ordered) {
    const nth = inMinute.get(minute) ?? 0;
    inMinute.set(minute, nth + 1);
    const slot = Math.floor(((minute + nth / perMinute.get(minute)!) / DAY_MINUTES) * (lengthMs / slotMs));
    const lines = bySlot.get(slot) ?? [];
    lines.push(`${row.date},${row.delay},${row.distance},${row.origin},${row.destination}\n`);
    bySlot.set(slot, lines);
  }
  const slots = [...bySlot].map(([slot, lines]) => ({ afterMs: slot * slotMs, csv: lines.join(''), flights: lines.length }));
  return { slots, flights: rows.length, lengthMs };
}
