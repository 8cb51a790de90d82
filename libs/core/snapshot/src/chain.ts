import type { Sha256, Sha256Of } from '@godwit/kernel';
import type { Message, ThreadOutput } from './thread-snapshot.js';

/** The hash before the first output. */
export const CHAIN_START = '0'.repeat(64) as Sha256;

const text = (s: string): Uint8Array => {
  const bytes = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) bytes[i] = s.charCodeAt(i) & 0x7f;
  return bytes;
};

/** A header of ASCII, newline-ended fields, then each message as `kind length\n` and its bytes: no two contents collide. */
function content(output: Omit<ThreadOutput, 'hash'>): Uint8Array[] {
  const parts = [text(`${output.n} ${output.causedBySeq} ${output.originMs} ${output.exit ? output.exit.code : '-'} ${output.messages.length}\n`)];
  for (const { kind, payload } of output.messages) parts.push(text(`${kind} ${payload.length}\n`), payload);
  return parts;
}

/** Closes an output record: its hash covers its content and everything before it. */
export function chainOutput(
  previous: Sha256,
  output: { n: number; causedBySeq: number; originMs: number; messages: readonly Message[]; exit?: { code: number } },
  sha256: Sha256Of,
): ThreadOutput {
  return { ...output, hash: sha256(text(`${previous}\n`), ...content(output)) };
}
