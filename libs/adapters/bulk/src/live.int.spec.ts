import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { isRefusal, type Sha256 } from '@godwit/kernel';
import { ImageCopier, ImageTarget } from '@godwit/live-copy';
import { BLOCK_BYTES } from '@godwit/snapshot';
import { nodeImagePort } from './image-port.js';
import { FRAME, frameHead, LIVE_MAGIC, LIVE_VERSION } from './live-frames.js';
import { LiveSender } from './live-sender.js';
import { receiveLive, type LiveLimits, type LiveSink } from './live-receiver.js';
import { Packing, unpack } from './packing.js';

const MAXIMUM = 8 * 1024 * 1024;
const port = nodeImagePort;
const sha256 = (...parts: readonly Uint8Array[]): Sha256 => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex') as Sha256;
const limits: LiveLimits = { maxImageBytes: MAXIMUM, maxRestBytes: 10_000, timeoutMs: 20_000, idleMs: 10_000 };
const REST = [Buffer.from('the '), Buffer.from('rest')];

/** The two ends of a connection. */
async function pair(): Promise<{ source: Socket; target: Socket; close(): void }> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const arrived = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const source = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  source.on('error', () => undefined); // specs that break the connection look at the other end's answer
  const target = await arrived;
  target.on('error', () => undefined);
  return { source, target, close: () => { source.destroy(); target.destroy(); server.close(); } };
}

class Held implements LiveSink {
  readonly memory = new Uint8Array(new SharedArrayBuffer(MAXIMUM));
  readonly target = new ImageTarget(port.hash);
  readonly rounds: number[] = [];
  rest: Uint8Array | undefined;
  async resize(bytes: number): Promise<void> {
    this.target.use(this.memory.subarray(0, bytes));
  }
  onRound(round: number): void {
    this.rounds.push(round);
  }
  async finish(rest: Uint8Array) {
    this.rest = rest;
    return this.target.stateDigest([rest], sha256);
  }
}

describe('a live copy on a connection', () => {
  let ends: Awaited<ReturnType<typeof pair>>;
  beforeEach(async () => (ends = await pair()));
  afterEach(() => ends.close());

  it('carries rounds, growth and the rest; both ends have one digest', async () => {
    const held = new Held();
    const received = receiveLive(ends.target, held, limits);
    const sender = await LiveSender.open(ends.source, { timeoutMs: 20_000 });
    if (isRefusal(sender)) throw new Error(sender.reason);
    const live = new Uint8Array(randomBytes(3 * 1024 * 1024));
    const all = new Uint8Array(4 * 1024 * 1024);
    all.set(live);
    const copier = new ImageCopier(port, MAXIMUM);
    const first = await sender.send(copier, all.subarray(0, live.length), { frozen: false });
    expect(first.dirtyBytes).toBe(live.length);
    for (let i = 0; i < 20; i++) all[i * 100_000]! ^= 1;
    const second = await sender.send(copier, all, { frozen: false });
    expect(second.sentBytes).toBeLessThan(1_000);
    expect(second.sentBytes).toBeGreaterThan(0);
    all.fill(9, 3_500_000, 3_600_000);
    await sender.send(copier, all, { frozen: true });
    const digest = await sender.finish(REST);
    expect(digest).toBe(copier.stateDigest(REST, sha256));
    expect(await received).toBe(digest);
    expect(held.rounds).toEqual([1, 2, 3]);
    expect(Buffer.from(held.rest!).toString()).toBe('the rest');
    expect(Buffer.compare(held.memory.subarray(0, all.length), all)).toBe(0);
    sender.close();
  });

  const prelude = (version = LIVE_VERSION): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(LIVE_MAGIC, 0);
    head.writeUInt32LE(version, 4);
    return head;
  };
  const block = (at: number): Buffer => {
    const head = Buffer.alloc(8 + BLOCK_BYTES);
    head.writeUInt32LE(at, 0);
    head.writeUInt32LE((1 << 28) | 1, 4);
    return head;
  };
  it.each([
    ['another magic', [Buffer.from('GDWSxxxx')], 'malformed-message'],
    ['another version', [prelude(9)], 'malformed-message'],
    ['an image above the limit', [prelude(), frameHead(FRAME.image, 0, MAXIMUM + BLOCK_BYTES)], 'payload-too-large'],
    ['an image of half a block', [prelude(), frameHead(FRAME.image, 0, 100)], 'malformed-message'],
    ['an image that shrinks', [prelude(), frameHead(FRAME.image, 0, 2 * BLOCK_BYTES), frameHead(FRAME.image, 0, BLOCK_BYTES)], 'malformed-message'],
    ['an unknown frame', [prelude(), frameHead(77, 0, 0)], 'malformed-message'],
    ['a piece larger than any', [prelude(), frameHead(FRAME.delta, 0x7fff_ffff, 0)], 'malformed-message'],
    ['a block outside the image', [prelude(), frameHead(FRAME.image, 0, BLOCK_BYTES), frameHead(FRAME.delta, 8 + BLOCK_BYTES, 0), block(1)], 'snapshot-damaged'],
    ['a piece that ends inside a record', [prelude(), frameHead(FRAME.image, 0, BLOCK_BYTES), frameHead(FRAME.delta, 100, 0), block(0).subarray(0, 100)], 'malformed-message'],
    ['a packed piece that unpacks to something else', [prelude(), frameHead(FRAME.image, 0, BLOCK_BYTES), frameHead(FRAME.packed, 20, 4_000), randomBytes(20)], 'malformed-message'],
    ['a round out of turn', [prelude(), frameHead(FRAME.round, 0, 2)], 'malformed-message'],
    ['a rest above the limit', [prelude(), frameHead(FRAME.rest, 10_001, 0)], 'payload-too-large'],
    ['a rest inside a round', [prelude(), frameHead(FRAME.image, 0, BLOCK_BYTES), frameHead(FRAME.delta, 8 + BLOCK_BYTES, 0), block(0), frameHead(FRAME.rest, 4, 0)], 'malformed-message'],
  ])('is refused for %s, whatever pieces it comes in', async (_what, parts, code) => {
    const held = new Held();
    const received = receiveLive(ends.target, held, limits);
    const stream = Buffer.concat(parts);
    for (let at = 0; at < stream.length; at += 999) ends.source.write(stream.subarray(at, at + 999));
    expect(await received).toMatchObject({ refused: true, code });
    expect(held.rest).toBeUndefined();
  });

  it('fails when the source goes away in the middle of a round, or says nothing for too long', async () => {
    const held = new Held();
    const received = receiveLive(ends.target, held, limits);
    ends.source.write(Buffer.concat([prelude(), frameHead(FRAME.image, 0, BLOCK_BYTES)]));
    ends.source.end();
    await expect(received).rejects.toMatchObject({ code: 'connection-lost' });
    ends.close();
    ends = await pair();
    await expect(receiveLive(ends.target, new Held(), { ...limits, idleMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
  });

  it('fails at the source when the target refuses, with what was to be copied still whole', async () => {
    const received = receiveLive(ends.target, new Held(), { ...limits, maxImageBytes: BLOCK_BYTES }).finally(() => ends.target.destroy());
    const sender = await LiveSender.open(ends.source, { timeoutMs: 20_000 });
    if (isRefusal(sender)) throw new Error(sender.reason);
    const live = new Uint8Array(randomBytes(MAXIMUM));
    const before = sha256(live);
    await expect(sender.send(new ImageCopier(port, MAXIMUM), live, { frozen: false })).rejects.toMatchObject({ code: 'connection-lost' });
    expect(await received).toMatchObject({ code: 'payload-too-large' });
    expect(sha256(live)).toBe(before);
    sender.close();
  });
});

describe('packing', () => {
  const text = Buffer.from('the same words again and again. '.repeat(4_000));
  it('begins when the link is what is waited for and carries little, and ends when it is not', () => {
    const packing = new Packing();
    expect(packing.pack([text])).toBeUndefined();
    packing.sent(4e6, 100, 90); // 40 MB/s
    const packed = packing.pack([text.subarray(0, 1_000), text.subarray(1_000)]);
    expect(packed!.length).toBeLessThan(text.length / 10);
    expect(Buffer.compare(unpack(packed!, text.length) as Uint8Array, text)).toBe(0);
    packing.sent(4e6, 4, 3); // 1 GB/s
    expect(packing.pack([text])).toBeUndefined();
  });
  it('rests for a while after something that did not get smaller', () => {
    const packing = new Packing();
    packing.sent(4e6, 100, 90);
    expect(packing.pack([randomBytes(10_000)])).toBeUndefined();
    expect(packing.pack([text])).toBeUndefined();
  });
  it('unpacks not one byte more than was announced', () => {
    const packing = new Packing();
    packing.sent(4e6, 100, 90);
    const packed = packing.pack([text])!;
    for (const announced of [text.length - 1, text.length + 1]) expect(unpack(packed, announced)).toMatchObject({ refused: true, code: 'malformed-message' });
  });
});
