import type { Sha256 } from './ids.js';
/** SHA-256 over the concatenation of `parts`; passed in, because the core has no crypto of its own. */
export type Sha256Of = (...parts: readonly Uint8Array[]) => Sha256;
