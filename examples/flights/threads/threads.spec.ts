import { describe, expect, it } from '@jest/globals';
import board, { boardLine, count, digestOf, emptyBoard } from './board.js';
import { count as countDelay, delayAt, emptyDelays } from './delays.js';
import { normalise } from './intake.js';

describe('intake', () => {
  it('makes a short line of a row', () => {
    expect(normalise('2001/01/01 06:05,-27,370,MDT,DTW', 7)).toBe('7,365,-27,370,MDT,DTW');
    expect(normalise(' 2001/03/31 23:59,522,4475,HNL,EWR\r', 1)).toBe('1,1439,522,4475,HNL,EWR');
  });
  it.each(['', 'date,delay,distance,origin,destination', '2001/01/01 25:00,1,10,AAA,BBB', '2001/01/01 10:00,x,10,AAA,BBB', '2001/01/01 10:00,1,0,AAA,BBB', '2001/01/01 10:00,1,10,AAA,AAA', '2001/01/01 10:00,1,10,AAA', '2001/01/01 10:00,1,10,aaa,BBB'])('refuses %j', (row) => {
    expect(normalise(row, 1)).toBeUndefined();
  });
});

describe('board', () => {
  const line = (id: number, from = 'ORD'): string => `${id},${from},LAX,10,5,9,12.5000,3.0000`;
  const counted = (...ids: number[]): ReturnType<typeof emptyBoard> => ids.reduce((state, id) => { count(state, line(id)); return state; }, emptyBoard());
  it('counts flights that come in order', () => {
    expect(counted(1, 2, 3)).toMatchObject({ flights: 3, missing: 0, repeated: 0 });
  });
  it('sees what is missing and what comes twice', () => {
    expect(counted(1, 2, 5, 6)).toMatchObject({ flights: 4, missing: 2, repeated: 0 });
    expect(counted(1, 2, 2, 3)).toMatchObject({ flights: 3, missing: 0, repeated: 1 });
  });
  it('has a digest over every line, in order', () => {
    expect(counted(1, 2).digest).toBe(digestOf(line(2), digestOf(line(1))));
    expect(counted(1, 2).digest).not.toBe(counted(2, 1).digest);
  });
  it('ranks airports by the delay that spreads from them', () => {
    const state = emptyBoard();
    for (let id = 1; id <= 40; id++) count(state, `${id},${id % 2 ? 'ORD' : 'SFO'},LAX,${id % 2 ? 30 : 3},5,9,${id % 2 ? 50 : 5}.0000,3.0000`);
    count(state, '41,XYZ,LAX,999,5,9,9999.0000,3.0000');
    expect(boardLine(state)).toMatchObject({ flights: 41, airports: 3, worst: [{ airport: 'ORD', flights: 20, meanDelay: 30, meanSpread: 50 }, { airport: 'SFO', meanSpread: 5 }] });
  });
  it('has a state that its codec carries whole', () => {
    const state = counted(1, 2, 4);
    expect(board.codec.decode(board.codec.encode(state))).toEqual(state);
  });
});

describe('delays', () => {
  it('counts by hour, and finds the delay that a share of flights stays below', () => {
    const state = emptyDelays();
    for (let delay = 1; delay <= 20; delay++) countDelay(state, `${delay},605,${delay},100,AAA,BBB`);
    countDelay(state, '21,700,-5,100,AAA,BBB');
    expect(state.flights).toBe(21);
    expect(state.hours[10]).toMatchObject({ flights: 20, late: 6 });
    expect(delayAt(state.hours[10]!, 0.5)).toBe(10);
    expect(delayAt(state.hours[11]!, 0.9)).toBe(0);
  });
});
