/** A refusal as headers of a reply, in the manner of NATS services, so that every reply can carry one. */
import { CODES, isCode, refuse, type Refusal } from '@godwit/kernel';

export const REFUSAL_HEADERS = { error: 'Nats-Service-Error', status: 'Nats-Service-Error-Code', code: 'Godwit-Code', field: 'Godwit-Field' } as const;
const MAX_REASON = 2_000;
/** Header values take one line. */
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ').slice(0, MAX_REASON);

export function refusalToHeaders(refusal: Refusal, set: (name: string, value: string) => void): void {
  set(REFUSAL_HEADERS.error, oneLine(refusal.reason));
  set(REFUSAL_HEADERS.status, String(CODES[refusal.code].status));
  set(REFUSAL_HEADERS.code, refusal.code);
  if (refusal.field !== undefined) set(REFUSAL_HEADERS.field, oneLine(refusal.field));
}

/** Undefined when the headers carry none. Codes of a newer version count as `internal`. */
export function refusalFromHeaders(get: (name: string) => string): Refusal | undefined {
  const code = get(REFUSAL_HEADERS.code);
  const reason = get(REFUSAL_HEADERS.error);
  if (code === '' && reason === '') return undefined;
  return refuse(isCode(code) ? code : 'internal', reason, get(REFUSAL_HEADERS.field) || undefined);
}
