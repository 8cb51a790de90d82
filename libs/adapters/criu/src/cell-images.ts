/** A stopped tree into images, and images into a stopped tree, each judged on the way (P3 of `process-thread.ts`). */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError, refuse, type Refusal } from '@godwit/kernel';
import { CPU_IMAGE, type Cell } from './cell.js';
import { lastLine } from './command.js';
import { judgeImages, type ImageFile, type ImageOwner } from './image-check.js';
import { statusField } from './proc-tree.js';

/** The failure as a value; what is not the world's stays an error. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof OperationError) return refuse(error.code, error.message);
  throw error;
}

const viewOf = (bytes: Buffer): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

/** The images of the cell's stopped tree, at most `mostBytes` of them; the tree stays stopped. */
export async function takeImages(cell: Cell, owner: ImageOwner, mostBytes: number): Promise<ImageFile[] | Refusal> {
  const [stray] = cell.strays();
  if (stray) return refuse('not-migratable', `the process ${JSON.stringify(stray.command.slice(0, 80))} has left the program's tree: its parent ended before it`);
  try {
    await cell.dump();
    const images = [{ name: CPU_IMAGE, bytes: cell.cpuImage }, ...readdirSync(cell.images).map((name) => ({ name, bytes: viewOf(readFileSync(join(cell.images, name))) }))];
    const wrong = judgeImages(images, owner);
    if (wrong) return refuse('not-migratable', wrong);
    const bytes = images.reduce((sum, image) => sum + image.bytes.length, 0);
    return bytes > mostBytes ? refuse('limit-exceeded', `the images of the process take ${bytes} bytes; its limit admits ${mostBytes}`, 'limits.memoryBytes') : images;
  } catch (error) {
    await cell.stop(); // after a failure CRIU may have let the tree go
    return asRefusal(error);
  } finally {
    cell.clearImages();
  }
}

/** Rebuilds the tree, stopped. After a refusal of CRIU or of the kernel's word the cell holds parts, and must be closed. */
export async function rebuildTree(cell: Cell, owner: ImageOwner, images: readonly ImageFile[]): Promise<Refusal | undefined> {
  const wrong = judgeImages(images, owner);
  if (wrong) return refuse('snapshot-damaged', `snapshot of a process: ${wrong}`, 'sections');
  try {
    cell.clearImages();
    for (const { name, bytes } of images) writeFileSync(join(cell.images, name), bytes, { mode: 0o600 });
    const cpu = await cell.checkCpu(images.find(({ name }) => name === CPU_IMAGE)?.bytes);
    if (cpu.code !== 0) return refuse('no-capability', `the process uses features that this CPU lacks: ${lastLine(cpu.stderr) || lastLine(cpu.stdout)}`, 'target');
    await cell.restore();
    const strange = judgeTree(cell, owner);
    return strange === undefined ? undefined : refuse('snapshot-damaged', `snapshot of a process: ${strange}`, 'sections');
  } catch (error) {
    return asRefusal(error);
  } finally {
    rmSync(cell.images, { recursive: true, force: true });
  }
}

/** What the kernel says of each process, whatever the images said. */
function judgeTree(cell: Cell, owner: ImageOwner): string | undefined {
  const tree = cell.tree();
  if (tree.length === 0) return 'there is no process in it';
  const user = String(owner.userId);
  for (const { pid, state } of tree) {
    const ids = [statusField(pid, 'Uid'), statusField(pid, 'Gid')].join(' ').split(/\s+/);
    if (ids.length !== 8 || ids.some((id) => id !== user)) return `a process came back with the ids ${[...new Set(ids)].join(', ')}, not ${user}`;
    if (['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].some((name) => !/^0+$/.test(statusField(pid, name) ?? ''))) return 'a process came back with capabilities';
    if (statusField(pid, 'NoNewPrivs') !== '1') return 'a process came back that could gain privileges';
    if (state !== 'T' && state !== 't') return 'a process came back that is not stopped';
  }
  return undefined;
}
