import type { DeviceId, RequestId, Sha256 } from '@godwit/kernel';
import { checkpointRecordCodec, inRecordCodec, outRecordCodec, ownRecordCodec } from './journal.js';

describe('journal records on the wire', () => {
  it('come back as they were', () => {
    const own = { epoch: 3, device: 'd-1' as DeviceId, reason: 'rolled-back' as const, checkpoint: 2, note: 'why' };
    expect(ownRecordCodec.decode(ownRecordCodec.encode(own))).toEqual(own);
    const out = { epoch: 1, n: 7, causedBySeq: 5, originMs: 1.5, messages: [{ kind: 'k', payload: new Uint8Array([1, 2]) }], hash: 'a'.repeat(64) as Sha256, exit: { code: -1 } };
    expect(outRecordCodec.decode(outRecordCodec.encode(out))).toEqual(out);
  });
  it('name the parts of a checkpoint, and none in manifests of older versions', () => {
    const sha = (c: string): Sha256 => c.repeat(64) as Sha256;
    const manifest = { k: 4, epoch: 2, device: 'd-1' as DeviceId, runtime: 'wasm' as const, program: sha('a'), cursorSeq: 9, outN: 3, chainHash: sha('b'), digest: sha('c'), bytes: 30, chunks: 2 };
    expect(checkpointRecordCodec.decode(checkpointRecordCodec.encode(manifest))).toEqual(manifest);
    const chained = { ...manifest, parts: [{ k: 3, bytes: 20, chunks: 1, digest: sha('d') }, { k: 4, bytes: 10, chunks: 1, digest: sha('e') }] };
    expect(checkpointRecordCodec.decode(checkpointRecordCodec.encode(chained))).toEqual(chained);
  });
  it('are refused with the field that is wrong', () => {
    const bad = { epoch: 3, device: 'D!' as DeviceId, reason: 'placed' as const, checkpoint: 2, note: '' };
    expect(ownRecordCodec.fromJson(bad)).toMatchObject({ refused: true, code: 'invalid-field', field: 'device' });
    expect(ownRecordCodec.fromJson({ ...bad, device: 'd', colour: 1 })).toMatchObject({ field: 'colour' });
    expect(ownRecordCodec.decode(new Uint8Array([0xff, 0xff, 0xff]))).toMatchObject({ code: 'malformed-message' });
    expect(ownRecordCodec.decode(new Uint8Array(0))).toMatchObject({ refused: true, field: 'epoch' });
  });
  it('take base64 for bytes in JSON', () => {
    const record = { requestId: 'r1' as RequestId, kind: 'message' as const, messages: [{ kind: '', payload: new Uint8Array([0, 1, 2]) }] };
    expect(inRecordCodec.toJson(record)).toMatchObject({ messages: [{ payload: 'AAEC' }] });
    expect(inRecordCodec.fromJson(inRecordCodec.toJson(record))).toEqual(record);
  });
});
