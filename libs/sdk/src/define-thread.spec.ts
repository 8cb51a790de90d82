import { describe, expect, it } from '@jest/globals';
import { DefinitionError, defineThread, isDefinedThread, jsonCodec, protobufCodec, type ThreadDefinition } from './index.js';

const good = { name: 'counter', version: '1.2.0', codec: jsonCodec<number>(), initial: () => 0, onMessage: () => 1 };

describe('defineThread', () => {
  it('gives a frozen definition that says whether it is deterministic', () => {
    const defined = defineThread(good);
    expect(isDefinedThread(defined)).toBe(true);
    expect(isDefinedThread({ ...defined })).toBe(false);
    expect(Object.isFrozen(defined)).toBe(true);
    expect([defined.deterministic, defineThread({ ...good, deterministic: true }).deterministic]).toEqual([false, true]);
  });

  it.each([
    ['name', { name: 'Not An Id' }, 'name must be of the form [a-z0-9-]{1,64}, but is "Not An Id"'],
    ['version', { version: 3 }, 'version must be'],
    ['deterministic', { deterministic: 'yes' }, 'but is "yes"'],
    ['initial', { initial: 0 }, 'initial must be a function, but is 0'],
    ['onMessage', { onMessage: undefined }, 'onMessage must be a function, but is missing'],
    ['onTick', { onTick: 5 }, 'onTick must be a function or left out'],
    ['onTicks', { onTicks: () => 1 }, 'onTicks must be left out (known fields: name,'],
    ['codec', { codec: null }, 'codec must be jsonCodec(), protobufCodec(type) or an object'],
    ['codec.decode', { codec: { encode: () => new Uint8Array() } }, 'codec.decode must be a function'],
    ['codec.apply', { codec: { ...jsonCodec(), diff: () => new Uint8Array() } }, 'codec.apply must be given too'],
  ])('names the field %s', (field, change, reason) => {
    const define = () => defineThread({ ...good, ...change } as unknown as ThreadDefinition<number>);
    expect(define).toThrow(DefinitionError);
    expect(define).toThrow(reason);
    try {
      define();
    } catch (error) {
      expect((error as DefinitionError).field).toBe(field);
    }
  });

  it.each([[undefined], [null], [7]])('refuses %p', (definition) => {
    expect(() => defineThread(definition as unknown as ThreadDefinition<number>)).toThrow('definition must be an object');
  });
});

describe('protobufCodec', () => {
  it('uses the static side of a message class', () => {
    const type = {
      encode: (message: { n: number }) => ({ finish: () => Uint8Array.of(8, message.n) }),
      decode: (bytes: Uint8Array) => ({ n: bytes[1]! }),
    };
    const codec = protobufCodec(type);
    expect(codec.decode(codec.encode({ n: 9 }))).toEqual({ n: 9 });
    expect(() => protobufCodec({ ...type, encode: undefined as never })).toThrow('must have the functions encode');
  });
});
