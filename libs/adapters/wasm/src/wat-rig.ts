/** Modules written as text, for specs of what no C compiler emits. */
import binaryen from 'binaryen';

/** Imports of one module in a shorter form; of a proposal that V8 does not know. Not in Binaryen's declarations. */
const COMPACT_IMPORTS = 1 << 26;

export function wat(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  // As read, the module has only the features of 2017. With the GC's, null references would get types of their own.
  const { Features } = binaryen;
  const without = Features.CustomPageSizes | COMPACT_IMPORTS | (text.includes('struct') ? 0 : Features.GC);
  module.setFeatures(Features.All & ~without);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}
