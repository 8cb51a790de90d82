const MAX_LENGTH = 1000;
const PLACE = /\bprogram:\d+:\d+/;

/** What a program threw, as one line with the place in the program. Survives values whose own accessors throw. */
export function describeError(thrown: unknown): string {
  try {
    if (typeof thrown !== 'object' || thrown === null) return `it threw ${String(thrown)}`.slice(0, MAX_LENGTH);
    const { name, message, stack } = thrown as { name?: unknown; message?: unknown; stack?: unknown };
    const place = PLACE.exec(String(stack))?.[0];
    return `${String(name ?? 'Error')}: ${String(message ?? 'without a message')}`.slice(0, MAX_LENGTH) + (place ? ` (${place})` : '');
  } catch {
    return 'it threw something that cannot be shown';
  }
}
