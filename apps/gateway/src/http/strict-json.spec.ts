import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RefusedError } from './refused.js';
import { strictJson } from './strict-json.js';

const parse = (text: string): unknown => strictJson(Buffer.from(text));
const refusal = (text: string): unknown => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal;
    throw error;
  }
  return undefined;
};

describe('strictJson', () => {
  it('reads whatever JSON.stringify writes, as JSON.parse does', () => {
    const plain = fc.jsonValue({ maxDepth: 6 }).filter((value) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value)));
    fc.assert(fc.property(plain, (value) => {
      const text = JSON.stringify(value);
      if (/\d{16}/.test(text)) return;
      expect(parse(text)).toEqual(JSON.parse(text));
    }), { numRuns: 300 });
  });

  it('never fails otherwise than by a refusal', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '1', 'e', '-', 'u', ' ') })), (text) => {
      try {
        parse(text);
      } catch (error) {
        expect(error).toBeInstanceOf(RefusedError);
      }
    }), { numRuns: 2_000 });
  });

  it.each([
    ['{"a":{"b":1,"b":2}}', 'a.b'], ['{"a":[{"c":1},{"c":1,"\\u0063":2}]}', 'a.1.c'], ['{"x":{"__proto__":1}}', 'x.__proto__'], ['[1,9007199254740993]', '1'], ['{"n":-1e400}', 'n'],
    ['{"s":"\\ud83d"}', 's'], ['{"\\udc00":1}', '\udc00'],
  ])('%s is refused at %s', (text, field) => {
    expect(refusal(text)).toMatchObject({ code: 'invalid-field', field });
  });

  it('takes what looks similar and is right', () => {
    expect(parse('{"a":{"b":1},"b":2,"c":["a","a"],"d":"\\"__proto__\\":","e":"\\ud83d\\ude00","f":1e3,"g":9007199254740991}')).toMatchObject({ a: { b: 1 }, b: 2, e: '😀', f: 1000 });
  });

  it('refuses nesting that a recursion would not survive', () => {
    expect(refusal('['.repeat(1_000_000))).toMatchObject({ code: 'malformed-message' });
  });
});
