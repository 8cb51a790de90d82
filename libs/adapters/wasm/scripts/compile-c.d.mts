/** Compiles C sources to a WASI preview 1 module, cached by content. @throws Error with the compiler's messages. */
export function compileC(sources: readonly string[], extraFlags?: readonly string[]): Promise<Uint8Array>;
