import type { Problem } from './types.js';

/** The gateway's "no", or the failure to reach it (`connection-lost`, status 0). */
export class GodwitError extends Error {
  override readonly name = 'GodwitError';
  constructor(readonly problem: Problem, options?: { readonly cause?: unknown }) {
    super(problem.detail, options);
  }
  get code(): Problem['code'] {
    return this.problem.code;
  }
  get status(): number {
    return this.problem.status;
  }
  get field(): string | undefined {
    return this.problem.field;
  }
  get remedy(): string {
    return this.problem.remedy;
  }
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && typeof (value as Problem).code === 'string' && typeof (value as Problem).detail === 'string';

/** @param body the answer's text, which another server's would not be problem details. */
export function errorOf(status: number, body: string): GodwitError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined;
  }
  if (isProblem(parsed)) return new GodwitError(parsed);
  return new GodwitError({
    type: 'about:blank', title: 'An answer that is not Godwit’s', status, code: 'malformed-message', detail: `the server answered ${status} without problem details`, remedy: 'Check the URL.',
  });
}

export const unreachable = (url: string, cause: unknown): GodwitError => new GodwitError({
  type: 'about:blank', title: 'The gateway cannot be reached', status: 0, code: 'connection-lost', effect: 'unknown',
  detail: `no answer from ${url}: ${reasonOf(cause)}`, remedy: 'Start Godwit, or give its URL.',
}, { cause });

/** `fetch` hides the reason in the cause. */
const reasonOf = (error: unknown): string => {
  const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
};
