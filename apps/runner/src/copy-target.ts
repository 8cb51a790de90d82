/** The target's side of a copy: what arrives goes to its place in a staged instance, and nothing of it executes. */
import type { Socket } from 'node:net';
import { isRefusal, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import { nodeImagePort, receiveLive } from '@godwit/bulk';
import { ImageTarget } from '@godwit/live-copy';
import type { LiveImage, RestoredMark, ThreadProgram } from '@godwit/runtime';
import { decodeSnapshot, encodeSnapshot } from '@godwit/snapshot';
import { sha256, utf8 } from '@godwit/shell/platform';
import { markOf } from './copy-source.js';

/** A source sends a round at least every few seconds, however long its freeze is waited for. */
const IDLE_MS = 10_000;

export async function receiveCopy(image: LiveImage, program: ThreadProgram, socket: Socket, limits: { readonly maxBytes: number; readonly timeoutMs: number }): Promise<RestoredMark | Refusal> {
  const target = new ImageTarget(nodeImagePort.hash);
  let mark: RestoredMark | undefined;
  const finish = async (bytes: Uint8Array): Promise<Sha256 | Refusal> => {
    const snapshot = decodeSnapshot(bytes, utf8);
    if (isRefusal(snapshot)) return snapshot;
    if (snapshot.thread !== program.thread) return refuse('snapshot-damaged', `snapshot: it is of thread ${snapshot.thread}, not of ${program.thread}`, 'thread');
    const refused = (await image.restore(snapshot)) ?? (await image.rest());
    if (isRefusal(refused)) return refused;
    // Taken again from the rebuilt instance: the digest is that of what will run, not of what arrived.
    const rest = encodeSnapshot({ ...refused, pendingOutputs: snapshot.pendingOutputs }, utf8);
    const digest = target.stateDigest(rest, sha256);
    if (!isRefusal(digest)) mark = { ...markOf(snapshot), digest, bytes: target.imageBytes + bytes.length, pendingOutputs: snapshot.pendingOutputs };
    return digest;
  };
  const resize = async (bytes: number): Promise<void | Refusal> => {
    const staged = await image.stage(bytes);
    if (isRefusal(staged)) return staged;
    target.use(staged.subarray(0, bytes));
  };
  const received = await receiveLive(socket, { target, resize, finish }, {
    maxImageBytes: image.maximumBytes, maxRestBytes: limits.maxBytes, timeoutMs: limits.timeoutMs, idleMs: Math.min(IDLE_MS, limits.timeoutMs),
  });
  if (isRefusal(received)) return received;
  return mark ?? refuse('internal', 'a copy was received without a state');
}
