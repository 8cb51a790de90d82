import { deviceId } from '@godwit/kernel';
import { historyCodec, type History } from './history.js';

const history: History = { id: 't1', device: deviceId('d1'), atMs: [1_000, 2_000], columns: [{ metric: 'cpu.cores', values: [0.5, NaN] }] };

describe('history', () => {
  it('comes back with what is not known', () => {
    expect(historyCodec.decode(historyCodec.encode(history))).toEqual(history);
    expect(historyCodec.fromJson(JSON.parse(JSON.stringify(historyCodec.toJson(history))))).toEqual(history);
  });
  it('refuses rows and columns of different lengths, no rows, and ids that are none', () => {
    expect(historyCodec.fromJson({ ...history, columns: [{ metric: 'm', values: [1] }] })).toMatchObject({ refused: true, field: 'columns.0.values' });
    expect(historyCodec.fromJson({ ...history, atMs: [], columns: [] })).toMatchObject({ refused: true, field: 'atMs' });
    expect(historyCodec.fromJson({ ...history, id: 'A.b' })).toMatchObject({ refused: true, field: 'id' });
    expect(historyCodec.decode(Uint8Array.of(255, 1))).toMatchObject({ code: 'malformed-message' });
  });
});
