import { describe, expect, it } from '@jest/globals';
import { requestId } from '@godwit/kernel';
import { inputRecord, inputsSchema, rawRecord } from './inputs.js';

const fresh = () => requestId('fresh');

describe('inputs', () => {
  it('take the request id from the header, else from the body, else a fresh one', () => {
    const body = inputsSchema.parse({ messages: [{ text: 'x' }] });
    expect(inputRecord(body, undefined, fresh)).toMatchObject({ requestId: 'fresh' });
    expect(inputRecord({ ...body, requestId: requestId('b') }, undefined, fresh)).toMatchObject({ requestId: 'b' });
    expect(inputRecord(body, requestId('h'), fresh)).toMatchObject({ requestId: 'h' });
    expect(inputRecord({ ...body, requestId: requestId('b') }, requestId('h'), fresh)).toMatchObject({ refused: true, field: 'requestId' });
  });

  it('keep empty text and JSON null apart from nothing', () => {
    const body = inputsSchema.parse({ messages: [{ text: '' }, { json: null }, { payload: '' }] });
    expect(inputRecord(body, undefined, fresh)).toMatchObject({ messages: [{ payload: new Uint8Array(0) }, { payload: new TextEncoder().encode('null') }, { payload: new Uint8Array(0) }] });
  });

  it('refuse a message and a record above their limits', () => {
    const text = 'é'.repeat(600_000);
    expect(inputRecord(inputsSchema.parse({ messages: [{ text: 'ok' }, { text }] }), undefined, fresh)).toMatchObject({ code: 'payload-too-large', field: 'messages.1' });
    const five = Array.from({ length: 5 }, () => ({ text: 'x'.repeat(900_000) }));
    expect(inputRecord(inputsSchema.parse({ messages: five }), undefined, fresh)).toMatchObject({ code: 'payload-too-large', field: 'messages' });
    expect(rawRecord(new Uint8Array(1024 * 1024 + 1), requestId('r'))).toMatchObject({ code: 'payload-too-large' });
  });
});
