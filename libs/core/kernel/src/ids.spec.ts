import { CODES, OperationError, assert, isCode, isId, isRefusal, isSha256, refuse, threadId } from './index.js';

describe('ids', () => {
  it.each(['a', 'a-1', '0', '-', 'a'.repeat(64)])('are %p', (text) => expect([isId(text), threadId(text)]).toEqual([true, text]));
  it.each(['', 'A', 'a.b', 'a*', 'a>', 'a b', 'ä', 'a\n', 'a'.repeat(65)])('are not %j, since they become one token of a subject', (text) => {
    expect(isId(text)).toBe(false);
    expect(() => threadId(text)).toThrow(/^thread: /);
  });
  it('know a digest', () => expect([isSha256('a'.repeat(64)), isSha256('A'.repeat(64)), isSha256('a'.repeat(63)), isSha256(7)]).toEqual([true, false, false, false]));
});
describe('refusals and errors', () => {
  it('carry the field only where there is one', () => {
    expect(refuse('not-found', 'no such thing')).toEqual({ refused: true, code: 'not-found', reason: 'no such thing' });
    expect(refuse('not-found', 'no', 'thread')).toHaveProperty('field', 'thread');
    expect([isRefusal(refuse('internal', 'x')), isRefusal({ refused: 1 }), isRefusal(null), isRefusal('refused')]).toEqual([true, false, false, false]);
  });
  it('have a table in which every code is complete', () => {
    for (const [code, { status, meaning, remedy }] of Object.entries(CODES)) {
      expect([isCode(code), status >= 400 && status < 600, meaning.endsWith('.'), remedy.endsWith('.')]).toEqual([true, true, true, true]);
    }
    expect([isCode('toString'), isCode('nothing')]).toEqual([false, false]);
  });
  it('keep the cause of what failed', () => {
    const cause = new Error('socket');
    expect(new OperationError('timeout', 'no answer', { effect: 'unknown', retryAfterMs: 5, cause })).toMatchObject({ name: 'OperationError', code: 'timeout', effect: 'unknown', retryAfterMs: 5, cause });
    expect(() => assert(false, 'it holds')).toThrow('assertion failed: it holds');
  });
});
