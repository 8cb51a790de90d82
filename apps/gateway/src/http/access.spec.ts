import { describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { readTokens } from '../config.js';
import { accessCheck } from './access.js';

const TOKEN = '0123456789abcdef';

describe('access', () => {
  it('without tokens serves callers of this machine only', () => {
    const check = accessCheck(undefined);
    expect(check({ host: '127.0.0.1:4600' }, 'admin')).toBeUndefined();
    expect(check({ host: 'localhost:4600', origin: 'http://localhost:4600' }, 'admin')).toBeUndefined();
    expect(check({ host: '[::1]:4600' }, 'viewer')).toBeUndefined();
    expect(check({ host: 'localhost.evil.example' }, 'viewer')).toMatchObject({ code: 'forbidden', field: 'Host' });
    expect(check({ host: '127.0.0.1:4600', origin: 'http://127.0.0.1:8080' }, 'viewer')).toMatchObject({ code: 'forbidden', field: 'Origin' });
    expect(check({ host: '127.0.0.1:4600', origin: 'null' }, 'viewer')).toMatchObject({ code: 'forbidden' });
  });

  it('takes a bearer token in full, and no other scheme', () => {
    const check = accessCheck(new Map([[TOKEN, 'operator']]));
    expect(check({ authorization: `Bearer ${TOKEN}` }, 'operator')).toBeUndefined();
    expect(check({ authorization: `Bearer ${TOKEN}` }, 'admin')).toMatchObject({ code: 'forbidden' });
    for (const authorization of [undefined, '', TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN} `, 'Bearer ']) {
      expect(check(authorization === undefined ? {} : { authorization }, 'viewer')).toMatchObject({ code: 'unauthorized' });
    }
  });
});

describe('the tokens of the configuration', () => {
  it('are needed to listen on anything but loopback', () => {
    expect(readTokens(undefined, '127.0.0.1')).toBeUndefined();
    expect(readTokens(undefined, '0.0.0.0')).toMatchObject({ code: 'invalid-field', field: 'GODWIT_HTTP_HOST' });
    expect(readTokens(JSON.stringify({ [TOKEN]: 'viewer' }), '0.0.0.0')).toEqual(new Map([[TOKEN, 'viewer']]));
  });

  it.each(['{', '[]', '{}', '{"short":"admin"}', `{"${TOKEN}":"root"}`, 'null'])('%s is refused without being repeated', (text) => {
    const refusal = readTokens(text, '127.0.0.1');
    expect(isRefusal(refusal) && refusal.field).toBe('GODWIT_TOKENS');
    expect(JSON.stringify(refusal)).not.toContain(TOKEN);
  });
});
