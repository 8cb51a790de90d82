import { describe, expect, it } from '@jest/globals';
import { isAtLeast, parseVersion, tooOld } from './version.js';

describe('versions of servers', () => {
  it.each([
    ['nats-server: v2.15.1', [2, 15, 1]],
    ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64', [7, 0, 15]],
    ['Valkey server v=8.1.1 sha=00000000:1', [8, 1, 1]],
    ['5:7.0.15-1~deb12u7', [7, 0, 15]],
    ['2.10.27-2', [2, 10, 27]],
    ['v2.14.0-RC.1', [2, 14, 0]],
  ])('reads %s', (text, expected) => {
    expect(parseVersion(text)).toEqual(expected);
  });

  it.each(['', 'nats-server: dev', '2.12', '127.0.0.1'])('finds none in %j', (text) => {
    // Four numbers are an address, not a version.
    expect(parseVersion(text)).toBeUndefined();
  });

  it.each([
    [[2, 12, 6], [2, 12, 6], true],
    [[2, 12, 5], [2, 12, 6], false],
    [[2, 9, 10], [2, 12, 6], false],
    [[3, 0, 0], [2, 12, 6], true],
    [[2, 13, 0], [2, 12, 6], true],
  ] as const)('%j is at least %j: %s', (version, minimum, expected) => {
    expect(isAtLeast(version, minimum)).toBe(expected);
  });

  it('refuses an old one in one line with the remedy', () => {
    const refusal = tooOld('nats', [2, 9, 10], 'the server at NATS_URL');
    expect(refusal?.code).toBe('server-too-old');
    expect(refusal?.reason).toBe('the server at NATS_URL is nats-server 2.9.10, but Godwit needs 2.12.6 or newer: update it, or unset NATS_SERVER_BIN or NATS_URL so that Godwit obtains one by itself');
  });
});
