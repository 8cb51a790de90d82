import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, jsonCodec } from './index.js';

const codec = jsonCodec<unknown>();
const text = (state: unknown, keys: 'kept' | 'sorted' = 'kept'): string => new TextDecoder().decode(jsonCodec({ keys }).encode(state));

const leaf = fc.oneof(
  fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null), fc.bigInt(),
  fc.uint8Array(), fc.float64Array({ noNaN: true }), fc.int16Array(),
);
const key = fc.oneof(fc.string(), fc.constantFrom('$', '$$', '$Map', '$bigint', '__proto__', 'constructor', '7'));
const states = fc.letrec<{ state: unknown }>((tie) => ({
  state: fc.oneof(
    { maxDepth: 4 }, leaf, fc.array(tie('state')), fc.dictionary(key, tie('state'), { noNullPrototype: true }),
    fc.array(fc.tuple(leaf, tie('state'))).map((entries) => new Map(entries)), fc.array(leaf).map((items) => new Set(items)),
  ),
})).state;

describe('jsonCodec', () => {
  it('brings every state back as it was, order of keys included', () => {
    fc.assert(fc.property(states, (state) => {
      const bytes = codec.encode(state);
      const back = codec.decode(bytes);
      // Not `toStrictEqual`, which asks a state with a key `constructor` for its class.
      expect(isDeepStrictEqual(back, state)).toBe(true);
      expect(codec.encode(back)).toEqual(bytes);
    }), { numRuns: 300 });
  });

  it('gives equal texts for equal values whatever the order of their keys, when they are sorted', () => {
    expect(canonicalJson({ b: 1, a: { d: [-0, 2n], c: 'x' } })).toBe('{"a":{"c":"x","d":[-0,{"$bigint":"2"}]},"b":1}');
    fc.assert(fc.property(fc.dictionary(key, leaf, { noNullPrototype: true }), (state) => {
      const turned = Object.fromEntries(Object.entries(state).reverse());
      expect(text(turned, 'sorted')).toBe(text(state, 'sorted'));
    }));
  });

  it('keeps the order in which a thread would iterate', () => {
    const words = { zebra: 1, ant: 2 };
    expect(Object.keys(codec.decode(codec.encode(words)) as object)).toEqual(['zebra', 'ant']);
    expect(Object.keys(jsonCodec<object>({ keys: 'sorted' }).decode(codec.encode({ ant: 2, zebra: 1 })))).toEqual(['ant', 'zebra']);
  });

  const cycle: { a: { b?: unknown } } = { a: {} };
  cycle.a.b = cycle;
  const twice = { n: 1 };
  it.each([
    ['NaN', { a: [1, NaN] }, 'state.a[1] is NaN'],
    ['Infinity', -Infinity, 'state is -Infinity'],
    ['a function', { f: () => 1 }, 'state.f is a function'],
    ['a symbol', [Symbol('s')], 'state[0] is a symbol'],
    ['undefined', { gone: undefined }, 'state.gone is undefined and would vanish'],
    ['a hole', Object.assign([], { length: 2 }), 'state[0] is undefined'],
    ['a cycle', cycle, 'state.a.b contains itself'],
    ['one object at two places', { x: twice, y: [twice] }, 'state.y[0] stands at two places'],
    ['a date', { at: new Date(0) }, 'state.at is a Date'],
    ['an instance', { p: new (class Point { x = 1; })() }, 'state.p is a Point'],
    ['a subclass', new (class Cache extends Map {})(), 'state is a Cache'],
    ['an object without prototype', Object.create(null), 'state is an object without prototype'],
    ['a property named by a symbol', { [Symbol.iterator]: 1 }, 'whose name is a symbol'],
    ['NaN inside a Map', new Map([['k', { v: NaN }]]), 'state.entries[0][1].v is NaN'],
  ])('refuses %s and says where', (_what, state, reason) => {
    expect(() => codec.encode(state)).toThrow(reason);
  });

  it('lets a frozen object stand at two places', () => {
    const none = Object.freeze([]);
    expect(text({ a: none, b: none })).toBe('{"a":[],"b":[]}');
  });

  it.each([['{"$Nothing":1}', 'none of its forms'], ['{"$Uint8Array":"abc"}', 'base64'], ['{"$Uint8Array":"ab%d"}', 'no letter'], ['{', 'JSON'], ['{"$bigint":"x"}', 'BigInt']])('throws on %s', (bytes, reason) => {
    expect(() => codec.decode(new TextEncoder().encode(bytes))).toThrow(reason);
  });

  it('names a wrong option', () => {
    expect(() => jsonCodec({ keys: 'any' as never })).toThrow("keys must be 'kept' or 'sorted'");
  });
});
