import { describe, expect, it } from '@jest/globals';
import { NotFoundException } from '@nestjs/common';
import { CODES, OperationError, refuse, type Code } from '@godwit/kernel';
import { problemOf, problemOfError } from './problem.js';
import { RefusedError } from './refused.js';

describe('problem details', () => {
  it('carry status, meaning and remedy of every code from the one table', () => {
    for (const [code, { status, meaning, remedy }] of Object.entries(CODES)) {
      expect(problemOf(refuse(code as Code, 'why'))).toEqual({ type: `urn:godwit:problem:${code}`, title: meaning, status, detail: 'why', code, remedy });
    }
  });

  it('tell an unknown effect, and keep quiet about none', () => {
    expect(problemOfError(new OperationError('timeout', 'late', { effect: 'unknown' }))).toMatchObject({ status: 504, effect: 'unknown' });
    expect(problemOfError(new OperationError('connection-lost', 'gone', { effect: 'none' }))).not.toHaveProperty('effect');
  });

  it('name the field of a refusal', () => {
    expect(problemOfError(new RefusedError(refuse('invalid-field', 'bad', 'limits.cpuCores')))).toMatchObject({ status: 400, field: 'limits.cpuCores' });
  });

  it('translate the framework’s own errors', () => {
    expect(problemOfError(new NotFoundException('Cannot GET /x'))).toMatchObject({ status: 404, code: 'not-found', detail: 'Cannot GET /x' });
    expect(problemOfError(Object.assign(new Error('too big'), { statusCode: 413 }))).toMatchObject({ status: 413, code: 'payload-too-large' });
  });

  it('tell nothing of our own mistakes', () => {
    const problem = problemOfError(new Error('password is hunter2'));
    expect(problem).toMatchObject({ status: 500, code: 'internal' });
    expect(JSON.stringify(problem)).not.toContain('hunter2');
  });
});
