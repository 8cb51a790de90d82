/** Programs by their SHA-256, in one folder that is the same on every machine: CRIU opens a program again by its path. */
import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { refuse, type Refusal } from '@godwit/kernel';
import type { ThreadProgram } from '@godwit/runtime';

const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
/** `e_machine` of elf(5), by what Node calls the architecture. */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const SHEBANG_BYTES = 256;

const headOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.subarray(0, SHEBANG_BYTES));
const isElf = (head: Buffer): boolean => head.subarray(0, 4).equals(ELF);
const interpreterOf = (head: Buffer): string | undefined => /^#!\s*(\/\S+)/.exec(head.toString('latin1'))?.[1];

/** Is it a program that a device with the runtime `process` could run? */
export function judgeFormat(bytes: Uint8Array): Refusal | undefined {
  const head = headOf(bytes);
  if (isElf(head) || interpreterOf(head) !== undefined) return undefined;
  return refuse('invalid-program', 'it is neither an ELF executable nor a script that begins with #! and an absolute path', 'programSha256');
}

/** An executable for this machine, or a script whose interpreter is here. */
export function judgeProgram(bytes: Uint8Array): Refusal | undefined {
  const unknown = judgeFormat(bytes);
  if (unknown) return unknown;
  const head = headOf(bytes);
  if (isElf(head)) {
    const machine = head.length >= 20 ? head.readUInt16LE(18) : -1;
    if (machine === MACHINES[process.arch]) return undefined;
    return refuse('no-capability', `the executable is for the ELF machine ${machine}; this machine is ${process.arch}`, 'programSha256');
  }
  const interpreter = interpreterOf(head)!;
  try {
    accessSync(interpreter, constants.X_OK);
    return undefined;
  } catch {
    return refuse('no-capability', `the script's interpreter ${interpreter} is not on this machine`, 'programSha256');
  }
}

function isKept(path: string, sha256: string): boolean {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex') === sha256;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Puts the program into the store, never with a set-user-ID bit; what lies there under its name is checked. */
export function keepProgram(folder: string, program: ThreadProgram): string {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const path = join(folder, program.sha256);
  if (!isKept(path, program.sha256)) {
    const part = `${path}.${process.pid}`;
    writeFileSync(part, program.bytes);
    renameSync(part, path);
  }
  chmodSync(path, 0o555);
  return path;
}
