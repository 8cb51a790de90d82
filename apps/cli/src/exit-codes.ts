/** How the CLI ends. Scripts rest on these. */
import { GodwitError } from '@godwit/client';

export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, refused: 4, timeout: 5 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An end that a command has chosen, with what to tell on stderr. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  constructor(readonly exitCode: ExitCode, message: string, readonly remedy?: string) {
    super(message);
  }
}

const BY_CODE: Readonly<Partial<Record<GodwitError['code'], ExitCode>>> = {
  'not-found': EXIT.notFound, 'invalid-field': EXIT.usage, timeout: EXIT.timeout,
  'refused-by-policy': EXIT.refused, 'no-capacity': EXIT.refused, 'no-capability': EXIT.refused, forbidden: EXIT.refused, unauthorized: EXIT.refused,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFailure) return error.exitCode;
  if (error instanceof GodwitError) return BY_CODE[error.code] ?? EXIT.failed;
  return EXIT.failed;
}
