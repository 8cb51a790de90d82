/** The two units in which the kernel counts and that differ between machines, from the auxiliary vector of our own process. */
import { readFileSync } from 'node:fs';

/** Page size in bytes and scheduler ticks per second, as this kernel shows them to programs. */
export interface KernelUnits {
  readonly pageBytes: number;
  readonly ticksPerSecond: number;
}

/** What every x86-64 and most arm64 kernels say; used where the vector cannot be read. */
const USUAL: KernelUnits = { pageBytes: 4096, ticksPerSecond: 100 };

/** Entry types of getauxval(3). */
const AT_PAGESZ = 6n;
const AT_CLKTCK = 17n;
const ENTRY_BYTES = 16;

export function readKernelUnits(procRoot: string): KernelUnits {
  let vector: Buffer;
  try {
    vector = readFileSync(`${procRoot}/self/auxv`);
  } catch {
    // A recorded tree has no vector, and a hardened kernel may hide it: both count in the usual units.
    return USUAL;
  }
  let { pageBytes, ticksPerSecond } = USUAL;
  for (let at = 0; at + ENTRY_BYTES <= vector.length; at += ENTRY_BYTES) {
    const type = vector.readBigUInt64LE(at);
    const value = Number(vector.readBigUInt64LE(at + 8));
    if (type === AT_PAGESZ && value > 0) pageBytes = value;
    if (type === AT_CLKTCK && value > 0) ticksPerSecond = value;
  }
  return { pageBytes, ticksPerSecond };
}
