import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Sha256 } from '@godwit/kernel';
import { CHAIN_START, chainOutput } from '@godwit/snapshot';
import { check, longestWaitMs, pathOf, type SeenAnswer } from './check.js';
import type { HistoryRecord } from './history.js';
import { LedgerModel } from './ledger.js';

const sha256 = (...parts: readonly Uint8Array[]): Sha256 => createHash('sha256').update(Buffer.concat(parts)).digest('hex') as Sha256;
type Change = (history: HistoryRecord[], seen: SeenAnswer[]) => void;

/** A thread that was placed on d1, moved to d2 by migration m-1, and answered two requests before and two after. */
function good(): { history: HistoryRecord[]; seen: SeenAnswer[] } {
  const history: HistoryRecord[] = [];
  const seen: SeenAnswer[] = [];
  const model = new LedgerModel('task');
  let [seq, n, hash] = [0, 0, CHAIN_START];
  const add = (type: HistoryRecord['type'], record: object): number => {
    history.push({ seq: ++seq, atMs: seq * 10, type, record } as HistoryRecord);
    return seq;
  };
  const serve = (requestId: string, epoch: number): void => {
    const at = add('in', { requestId, kind: 'message', messages: [{ kind: '', payload: Buffer.from(`${requestId}\n`) }] });
    const text = `${model.take(requestId)}\n`;
    const output = chainOutput(hash, { n: ++n, causedBySeq: at, originMs: 0, messages: [{ kind: '', payload: Buffer.from(text) }] }, sha256);
    hash = output.hash;
    add('out', { ...output, epoch });
    seen.push({ requestId, seq: at, answer: { n, text } });
  };
  add('own', { epoch: 1, device: 'd1', reason: 'placed', checkpoint: 0, note: '' });
  serve('a', 1);
  serve('b', 1);
  add('intent', { epoch: 1, migration: 'm-1', source: 'd1', target: 'd2', note: '' });
  add('own', { epoch: 2, device: 'd2', reason: 'committed', migration: 'm-1', checkpoint: 0, note: '' });
  serve('c', 2);
  serve('d', 2);
  return { history, seen };
}
const invariantsOf = (change: Change): string[] => {
  const { history, seen } = good();
  change(history, seen);
  return [...new Set(check(history, seen, 'task').map(({ invariant }) => invariant))];
};
const record = (history: HistoryRecord[], type: HistoryRecord['type'], nth: number): Record<string, unknown> => history.filter((one) => one.type === type)[nth]!.record as unknown as Record<string, unknown>;
const drop = (history: HistoryRecord[], type: HistoryRecord['type'], nth: number): void => void history.splice(history.indexOf(history.filter((one) => one.type === type)[nth]!), 1);

describe('the checkers', () => {
  it('have nothing to say of a thread that was moved as it should be', () => {
    const { history, seen } = good();
    expect(check(history, seen, 'task')).toEqual([]);
    expect([pathOf(history, 1), pathOf(history, 2), longestWaitMs(history)]).toEqual(['C', '-', 10]);
  });

  it.each<[string, string, Change]>([
    ['I1', 'an epoch is left out', (h) => { record(h, 'own', 1)['epoch'] = 3; for (const n of [2, 3]) record(h, 'out', n)['epoch'] = 3; }],
    ['I2', 'an old owner appends behind the new one', (h) => { record(h, 'out', 2)['epoch'] = 1; }],
    ['I3', 'an output is missing', (h) => drop(h, 'out', 1)],
    ['I3', 'an output stands there twice', (h) => h.push({ ...h.at(-1)! })],
    ['I3', 'an output has other content than its hash', (h) => { record(h, 'out', 3)['messages'] = [{ kind: '', payload: Buffer.from('4 00000000\n') }]; }],
    ['I5', 'an output answers another input than the next', (h) => { record(h, 'in', 2); drop(h, 'in', 2); }],
    ['I5', 'an input was accepted and not applied', (h) => drop(h, 'out', 3)],
    ['I6', 'an intent has no outcome', (h) => { h.push({ seq: 99, atMs: 990, type: 'intent', record: { epoch: 2, migration: 'm-2', source: 'd2', target: 'd1', note: '' } } as unknown as HistoryRecord); }],
    ['I6', 'the commit goes to a device that is not the target', (h) => { record(h, 'own', 1)['device'] = 'd3'; }],
    ['I4', 'a client was told something else', (_h, seen) => { seen[1] = { ...seen[1]!, answer: { n: 2, text: '2 12345678\n' } }; }],
    ['I4', 'a request that was acknowledged is not there', (_h, seen) => { seen.push({ requestId: 'gone', seq: 77, answer: { n: 5, text: '' } }); }],
    ['I4', 'a client was told that there is no answer', (_h, seen) => { seen[0] = { ...seen[0]!, answer: undefined }; }],
  ])('find with %s that %s', (invariant, _what, change) => {
    expect(invariantsOf(change)).toContain(invariant);
  });

  it('follow a sequential run in content: two outputs that are chained well and wrong are found', () => {
    const { history, seen } = good();
    let hash = CHAIN_START;
    for (const entry of history) {
      if (entry.type !== 'out') continue;
      const payload = Buffer.from(`${entry.record.n} deadbeef\n`);
      const output = chainOutput(hash, { ...entry.record, messages: [{ kind: '', payload }] }, sha256);
      hash = output.hash;
      Object.assign(entry.record, output);
    }
    expect(check(history, seen, 'task').some(({ invariant, text }) => invariant === 'I3' && text.includes('a sequential run gives'))).toBe(true);
  });
});
