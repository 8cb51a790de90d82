/** The child process of `ensureMigratable`: takes one module over the channel, answers with the instrumented one, ends. */
import { DESCRIPTION_SECTION } from './abi.js';
import { UnacceptableModule } from './binary.js';
import { rewriteModule, withCustomSection, type RewriteLimits } from './rewrite.js';

export interface InstrumentRequest {
  readonly bytes: Uint8Array;
  readonly limits: RewriteLimits;
}
export type InstrumentAnswer =
  | { readonly migratable: Uint8Array }
  | { readonly code: UnacceptableModule['code']; readonly reason: string; readonly field: string | undefined };

function instrument({ bytes, limits }: InstrumentRequest): InstrumentAnswer {
  try {
    const { bytes: rewritten, description } = rewriteModule(bytes, limits);
    return { migratable: withCustomSection(rewritten, DESCRIPTION_SECTION, new TextEncoder().encode(JSON.stringify(description))) };
  } catch (error) {
    if (error instanceof UnacceptableModule) return { code: error.code, reason: error.message, field: error.field };
    throw error;
  }
}

process.once('message', (request: InstrumentRequest) => {
  process.send!(instrument(request), () => process.disconnect());
});
