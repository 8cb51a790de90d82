import { describe, expect, it } from '@jest/globals';
import { deviceId, threadId } from '@godwit/kernel';
import { encodeSamples, migrationStatusCodec, type MigrationStatus, type RegistryVerdict } from '@godwit/wire';
import type { StreamRecord } from '../follow-stream.js';
import { BoundedMap } from './bounded-map.js';
import { MigrationView } from './migration-view.js';
import { SamplesView } from './samples-view.js';
import { Verdicts } from './verdicts.js';

const record = (seq: number, subject: string, data: Uint8Array): StreamRecord => ({ seq, subject, data, atMs: seq });

describe('verdicts', () => {
  const verdict = (eventSeq: number, id: string): RegistryVerdict => ({ eventSeq, event: 'device-removed', id, accepted: true, code: '', field: '', reason: '' });

  it('are told to who waits and to who asks later, and give up in time', async () => {
    const verdicts = new Verdicts();
    const waiting = verdicts.of({ eventSeq: 1, event: 'device-removed', id: 'a' }, 1_000);
    verdicts.take(verdict(1, 'a'));
    expect(await waiting).toMatchObject({ accepted: true });
    expect(await verdicts.of({ eventSeq: 1, event: 'device-removed', id: 'a' }, 1)).toMatchObject({ accepted: true });
    await expect(verdicts.of({ eventSeq: 9, event: 'device-removed', id: 'a' }, 5)).rejects.toMatchObject({ code: 'timeout', effect: 'unknown' });
  });

  it('on another event at the same place, of a stream that was made anew, are not taken for it', async () => {
    const verdicts = new Verdicts();
    verdicts.take(verdict(1, 'old'));
    const waiting = verdicts.of({ eventSeq: 1, event: 'device-removed', id: 'new' }, 1_000);
    verdicts.take(verdict(1, 'new'));
    expect(await waiting).toMatchObject({ id: 'new' });
  });
});

describe('the samples’ view', () => {
  const batch = (device: string, atMs: number, value: number): Uint8Array =>
    encodeSamples({ device: deviceId(device), sequence: 1, atMs: [atMs], absences: [], columns: [{ metric: 'cpu.cores', thread: 't', values: [value] }] });

  it('keeps the new owner’s reading when the former owner’s comes late', () => {
    const view = new SamplesView();
    view.take('a', batch('a', 10, 1));
    view.take('b', batch('b', 30, 2));
    view.take('a', batch('a', 20, 3));
    expect(view.thread('t')).toEqual({ atMs: 30, device: 'b', values: { 'cpu.cores': 2 } });
  });

  it('refuses a batch about another device than its subject’s', () => {
    expect(new SamplesView().take('b', batch('a', 10, 1))).toMatchObject({ refused: true, field: 'device' });
  });

  it('leaves out a metric that is no longer measured', () => {
    const view = new SamplesView();
    view.take('a', encodeSamples({ device: deviceId('a'), sequence: 1, atMs: [0], absences: [], columns: [{ metric: 'old', thread: '', values: [1] }] }));
    view.take('a', encodeSamples({ device: deviceId('a'), sequence: 2, atMs: [60_000], absences: [], columns: [{ metric: 'new', thread: '', values: [2] }] }));
    expect(view.device('a')?.values).toEqual({ new: 2 });
  });
});

describe('the migrations’ view', () => {
  const told = (seq: number, id: string, phase: MigrationStatus['phase']): StreamRecord => record(seq, 'godwit.migration.t.x', migrationStatusCodec.encode({
    migration: id as never, thread: threadId('t'), source: deviceId('a'), target: deviceId('b'), phase, epoch: 1, cause: '', atMs: seq, plannedAtMs: 0,
  }));

  it('adds no phase for a repetition and is not taken back once settled', () => {
    const view = new MigrationView();
    for (const [i, phase] of (['planned', 'reserved', 'reserved', 'rolled-back', 'frozen'] as const).entries()) view.take(told(i + 1, 'm', phase));
    expect(view.get('m')).toMatchObject({ phase: 'rolled-back', phases: [{ phase: 'planned' }, { phase: 'reserved' }, { phase: 'rolled-back' }] });
    expect(view.underWay().size).toBe(0);
  });

  it('pages newest first', () => {
    const view = new MigrationView();
    for (let i = 1; i <= 5; i++) view.take(told(i, `m${i}`, 'planned'));
    expect(view.newest(2).map(({ migration }) => migration)).toEqual(['m5', 'm4']);
    expect(view.newest(2, undefined, 'm4').map(({ migration }) => migration)).toEqual(['m3', 'm2']);
    expect(view.newest(2, 'other')).toEqual([]);
  });
});

it('a bounded map forgets what was set longest ago', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  map.set('c', 4);
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([3, undefined, 4, 2]);
});
