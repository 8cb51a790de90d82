import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { minuteOfDay, shapeDay, timeOfDay, type FlightRow } from './day.js';
import { readFlights } from './programs.js';

const row = (date: string, delay = 0): FlightRow => ({ date, delay, distance: 100, origin: 'AAA', destination: 'BBB' });

describe('a day of flights', () => {
  it('reads the minute of a date, and refuses what is none by name', () => {
    expect(minuteOfDay('2001/01/01 00:47')).toBe(47);
    expect(minuteOfDay('2001/03/31 23:59')).toBe(1_439);
    for (const wrong of ['2001/01/01 24:00', '2001-01-01 10:00', '10:00', '']) expect(() => minuteOfDay(wrong)).toThrow(/date/);
  });

  it('lays all days over each other, by time of day', () => {
    const { slots } = shapeDay([row('2001/01/02 12:00', 2), row('2001/01/05 06:00', 1), row('2001/01/01 12:00', 3)], { lengthMs: 24_000, slotMs: 1_000 });
    expect(slots.map(({ afterMs, csv }) => [afterMs, csv])).toEqual([
      [6_000, '2001/01/05 06:00,1,100,AAA,BBB\n'],
      [12_000, '2001/01/01 12:00,3,100,AAA,BBB\n2001/01/02 12:00,2,100,AAA,BBB\n'],
    ]);
  });

  it('spreads the flights of one minute over the slots of that minute', () => {
    const { slots } = shapeDay(Array.from({ length: 6 }, () => row('2001/01/01 00:01')), { lengthMs: 1_440_000, slotMs: 500 });
    expect(slots.map(({ afterMs, flights }) => [afterMs, flights])).toEqual([[1_000, 3], [1_500, 3]]);
  });

  it('loses no flight and sends in order, whatever the length', () => {
    const minutes = fc.array(fc.integer({ min: 0, max: 1_439 }), { maxLength: 60 });
    fc.assert(fc.property(minutes, fc.integer({ min: 1_000, max: 100_000 }), fc.integer({ min: 1, max: 1_000 }), (given, lengthMs, slotMs) => {
      const date = (minute: number): string => `2001/01/01 ${timeOfDay(minute / 1_440)}`;
      const { slots, flights } = shapeDay(given.map((minute) => row(date(minute))), { lengthMs, slotMs });
      expect(slots.reduce((sum, slot) => sum + slot.flights, 0)).toBe(flights);
      expect(slots.every(({ csv, flights: count }) => csv.split('\n').length === count + 1)).toBe(true);
      expect(slots.every(({ afterMs }, i) => afterMs < lengthMs && afterMs > (slots[i - 1]?.afterMs ?? -1))).toBe(true);
    }));
  });

  it('has a valley at night and a steep morning in the real records', async () => {
    const rows = await readFlights();
    const { slots, flights } = shapeDay(rows, { lengthMs: 75_000, slotMs: 100 });
    const between = (from: number, to: number): number => slots.filter(({ afterMs }) => afterMs >= from * 3_125 && afterMs < to * 3_125).reduce((sum, slot) => sum + slot.flights, 0);
    expect(flights).toBe(20_000);
    expect(between(2, 5)).toBeLessThan(20);
    expect(between(7, 8)).toBeGreaterThan(1_000);
    expect(Math.max(...slots.map((slot) => slot.flights))).toBeLessThan(120);
  });

  it('refuses lengths of nothing', () => {
    expect(() => shapeDay([], { lengthMs: 0, slotMs: 100 })).toThrow(RangeError);
  });
});
