import { describe, expect, it } from '@jest/globals';
import { deviceId, threadId } from '@godwit/kernel';
import { encodeEvent, encodeSamples, migrationStatusCodec, verdictCodec, type MigrationStatus } from '@godwit/wire';
import type { StreamRecord } from '../follow-stream.js';
import { BoundedMap } from './bounded-map.js';
import { MigrationView } from './migration-view.js';
import { RegistryView } from './registry-view.js';
import { SamplesView } from './samples-view.js';

const record = (seq: number, subject: string, data: Uint8Array): StreamRecord => ({ seq, subject, data, json: false, atMs: seq });

describe('the registry’s view', () => {
  const registered = (seq: number): StreamRecord => record(seq, 'godwit.registry.application-registered.app', encodeEvent({ event: 'application-registered', spec: { application: 'app' as never, description: String(seq), goals: {} } }));
  const verdict = (seq: number, eventSeq: number, accepted: boolean): StreamRecord =>
    record(seq, `godwit.registry.verdict.${eventSeq}`, verdictCodec.encode({ eventSeq, event: 'application-registered', id: 'app', accepted, code: accepted ? '' : 'conflict', field: '', reason: accepted ? '' : 'no' }));
  const description = (view: RegistryView): string | undefined => view.registry.applications.get('app' as never)?.description;

  it('gives an event effect only when its verdict says so, and the first verdict counts', () => {
    const view = new RegistryView(() => undefined);
    view.take(registered(1));
    expect(description(view)).toBeUndefined();
    view.take(verdict(2, 1, false));
    view.take(verdict(3, 1, true));
    expect(description(view)).toBeUndefined();
    view.take(registered(4));
    view.take(verdict(5, 4, true));
    expect(description(view)).toBe('4');
  });

  it('tells a waiting registration once the fold has it, and gives up in time', async () => {
    const view = new RegistryView(() => undefined);
    view.take(registered(1));
    const waiting = view.verdict(1, 1_000);
    view.take(verdict(2, 1, true));
    expect(await waiting).toMatchObject({ accepted: true });
    expect(await view.verdict(1, 1)).toMatchObject({ accepted: true });
    await expect(view.verdict(9, 5)).rejects.toMatchObject({ code: 'timeout', effect: 'unknown' });
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
