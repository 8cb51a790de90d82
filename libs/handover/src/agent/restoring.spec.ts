import { refuse, type DeviceId, type Sha256, type ShardId, type ThreadId } from '@godwit/kernel';
import type { CheckpointPart, CheckpointRecord, Journal } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { Runner } from '../ports.js';
import type { HostDependencies } from './host-dependencies.js';
import { Restoring } from './restoring.js';

const sha = (n: number): Sha256 => String(n).padStart(64, '0') as Sha256;
const part = (k: number): CheckpointPart => ({ k, bytes: 1, chunks: 1, digest: sha(k) });
const record = (k: number, base: number, outN = k): CheckpointRecord => ({
  k, epoch: 1, device: 'd' as DeviceId, runtime: 'wasm', program: sha(0), cursorSeq: k, outN, chainHash: sha(k), digest: sha(100 + k), bytes: 1, chunks: 1, parts: Array.from({ length: k - base + 1 }, (_, i) => part(base + i)),
});

/** @param records newest first @param missing parts that the store has not */
function rig(records: readonly CheckpointRecord[], options: { readonly missing?: readonly number[]; readonly deterministic?: boolean; readonly outN?: number } = {}) {
  const asked: string[] = [];
  const journal = {
    checkpoints: async (_at: unknown, limit: number) => records.slice(0, limit).map((one, i) => ({ seq: 100 - i, atMs: 0, record: one })),
    tail: async () => ({ outN: options.outN ?? 0, chainHash: sha(0), k: records[0]?.k ?? 0 }),
  } as unknown as Journal;
  const runner = { request: async (name: string, request: { parts?: readonly Uint8Array[]; k?: number }) => {
    asked.push(name === 'restore' ? `restore ${request.parts!.map((bytes) => bytes[0]).join('+')}` : `${name} ${request.k}`);
    return { pendingOutputs: [] };
  } } as unknown as Runner;
  const checkpoints = { write: async () => refuse('internal', ''), read: async (_thread: ThreadId, { k }: CheckpointPart) => {
    asked.push(`read ${k}`);
    return options.missing?.includes(k) ? refuse('snapshot-damaged', `checkpoint ${k}: chunk 0 of 1 is missing`) : Uint8Array.of(k);
  } };
  const log = { info() {}, warn() {}, error() {}, fatal() {} };
  const spec = { thread: 't' as ThreadId, shard: 's' as ShardId, deterministic: options.deterministic ?? true } as ThreadSpec;
  return { asked, restoring: new Restoring(spec, runner, { journal, checkpoints, log } as unknown as HostDependencies) };
}
const restores = (asked: readonly string[]): string[] => asked.filter((one) => one.startsWith('restore'));

describe('beginning from the journal’s checkpoints', () => {
  it('takes the newest, base and deltas in order', async () => {
    const { asked, restoring } = rig([record(4, 2), record(3, 2), record(2, 2), record(1, 1)]);
    expect(await restoring.fromJournal()).toMatchObject({ pendingOutputs: [] });
    expect(restores(asked)).toEqual(['restore 2+3+4']);
  });
  it('takes the one before a delta that is missing, and tries nothing else that rests upon it', async () => {
    const chain = Array.from({ length: 6 }, (_, i) => record(9 - i, 4));
    const { asked, restoring } = rig(chain, { missing: [7] });
    expect(await restoring.fromJournal()).toMatchObject({ pendingOutputs: [] });
    expect(restores(asked)).toEqual(['restore 4+5+6']);
    expect(asked.filter((one) => one === 'read 7')).toHaveLength(1);
  });
  it('takes the chain before when a base is missing', async () => {
    const { asked, restoring } = rig([record(5, 4), record(4, 4), record(3, 1), record(2, 1), record(1, 1)], { missing: [4] });
    await restoring.fromJournal();
    expect(restores(asked)).toEqual(['restore 1+2+3']);
  });
  it('begins from the beginning when all there ever was rests on one base, which is lost', async () => {
    const { restoring } = rig([record(3, 1), record(2, 1), record(1, 1)], { missing: [1] });
    expect(await restoring.fromJournal()).toBeUndefined();
  });
  it('is refused when two bases are lost: inputs may be gone', async () => {
    const { restoring } = rig([record(5, 4), record(4, 4), record(3, 1)], { missing: [4, 1] });
    expect(await restoring.fromJournal()).toMatchObject({ code: 'snapshot-damaged', reason: expect.stringContaining('checkpoint 1') });
  });
  it('never begins a thread that is not deterministic below an output of the journal', async () => {
    const { asked, restoring } = rig([record(4, 2), record(3, 2)], { deterministic: false, outN: 4, missing: [4] });
    expect(await restoring.fromJournal()).toMatchObject({ code: 'snapshot-damaged', reason: expect.stringContaining('not deterministic') });
    expect(restores(asked)).toEqual([]);
  });
});

describe('beginning from a shadow', () => {
  const chain = [record(9, 5), record(8, 5), record(7, 5), record(6, 5)];
  it('takes the state whose manifest is in the journal, without a look at the store', async () => {
    const { asked, restoring } = rig(chain, { outN: 9 });
    expect(await restoring.fromShadow({ k: 9, digest: sha(109) })).toMatchObject({ pendingOutputs: [] });
    expect(asked).toEqual(['shadow-promote 9']);
  });
  it('takes one that is a few checkpoints behind on the same base, and none of an older one', async () => {
    const { restoring } = rig(chain);
    expect(await restoring.fromShadow({ k: 7, digest: sha(107) })).toMatchObject({ pendingOutputs: [] });
    const older = rig([record(9, 9), record(8, 8), record(7, 7), record(6, 6)]);
    expect(await older.restoring.fromShadow({ k: 8, digest: sha(108) })).toMatchObject({ pendingOutputs: [] });
    expect(await older.restoring.fromShadow({ k: 7, digest: sha(107) })).toMatchObject({ code: 'conflict', field: 'checkpoint' });
  });
  it('refuses another digest, and a checkpoint that is in no journal', async () => {
    const { asked, restoring } = rig(chain);
    expect(await restoring.fromShadow({ k: 9, digest: sha(1) })).toMatchObject({ code: 'conflict' });
    expect(await restoring.fromShadow({ k: 10, digest: sha(110) })).toMatchObject({ code: 'conflict' });
    expect(asked).toEqual([]);
  });
  it('refuses to go on below outputs that a thread without determinism has released', async () => {
    const { asked, restoring } = rig(chain, { deterministic: false, outN: 9 });
    expect(await restoring.fromShadow({ k: 8, digest: sha(108) })).toMatchObject({ code: 'snapshot-damaged' });
    expect(await restoring.fromShadow({ k: 9, digest: sha(109) })).toMatchObject({ pendingOutputs: [] });
    expect(asked).toEqual(['shadow-promote 9']);
  });
});
