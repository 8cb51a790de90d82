import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { MigrationId } from '@godwit/kernel';
import { BulkDoor, knock } from './door.js';
import { receiveSnapshot, sendSnapshot } from './stream.js';

const migration = 'm-1' as MigrationId;
const key = randomBytes(32);
const limits = { maxBytes: 64 * 1024 * 1024, timeoutMs: 5_000 };

describe('the bulk door', () => {
  let door: BulkDoor;
  beforeEach(async () => (door = await BulkDoor.open('127.0.0.1')));
  afterEach(() => door.close());
  const pair = async (): Promise<[Socket, Socket]> => {
    const arrived = new Promise<Socket>((resolve) => door.expect(migration, key, resolve));
    const source = await knock({ host: '127.0.0.1', port: door.port }, migration, key, 1_000);
    return [source, await arrived];
  };

  it.each([[false], [true]])('carries a snapshot whole (compressed: %s)', async (compress) => {
    const [source, target] = await pair();
    const parts = [randomBytes(10), new Uint8Array(3_000_000), randomBytes(700_001), new Uint8Array(0)];
    const [sent, received] = await Promise.all([sendSnapshot(source, parts, { compress, timeoutMs: 5_000 }), receiveSnapshot(target, limits)]);
    if ('refused' in sent || 'refused' in received) throw new Error('refused');
    expect(received.digest).toBe(sent.digest);
    expect(Buffer.concat(parts).equals(received.content)).toBe(true);
    expect(compress ? sent.wireBytes < sent.bytes / 2 : sent.wireBytes >= sent.bytes).toBe(true);
    source.destroy();
    target.destroy();
  });

  it('gives nothing to a stranger, and each key works once', async () => {
    const [source, target] = await pair();
    for (const wrong of [key, randomBytes(32)]) {
      const stranger = await knock({ host: '127.0.0.1', port: door.port }, migration, wrong, 1_000);
      let heard = 0;
      stranger.on('data', (d) => (heard += d.length)).resume();
      await once(stranger, 'close');
      expect(heard).toBe(0);
    }
    const rude = connect(door.port, '127.0.0.1');
    rude.on('error', () => undefined).write(randomBytes(5_000));
    await once(rude, 'close');
    expect(door.refused).toBe(3);
    source.destroy();
    target.destroy();
  });

  it('refuses a size above the limit before it takes memory', async () => {
    const [source, target] = await pair();
    const sending = sendSnapshot(source, [new Uint8Array(1_000_000)], { compress: false, timeoutMs: 5_000 }).catch((error: Error) => error);
    expect(await receiveSnapshot(target, { maxBytes: 999_999, timeoutMs: 5_000 })).toMatchObject({ code: 'payload-too-large' });
    target.destroy();
    expect(await sending).toBeInstanceOf(Error);
    source.destroy();
  });

  it.each([
    ['altered content', (bytes: Buffer) => { bytes[20]! ^= 1; }, 'digest-mismatch'],
    ['a frame that announces more than fits', (bytes: Buffer) => { bytes.writeUInt32LE(0xffff, 12); }, 'malformed-message'],
    ['another magic', (bytes: Buffer) => { bytes[0] = 0; }, 'malformed-message'],
  ])('refuses %s', async (_what, damage, code) => {
    const [source, target] = await pair();
    const content = randomBytes(100);
    const head = Buffer.alloc(20);
    head.writeUInt32LE(0x53574447, 0);
    head.writeBigUInt64LE(100n, 4);
    head.writeUInt32LE(100, 12);
    head.writeUInt32LE(100, 16);
    const stream = Buffer.concat([head, content, (await import('node:crypto')).createHash('sha256').update(content).digest()]);
    damage(stream);
    source.write(stream);
    expect(await receiveSnapshot(target, limits)).toMatchObject({ refused: true, code });
    source.destroy();
    target.destroy();
  });

  it('fails with the reason when the sender goes away', async () => {
    const [source, target] = await pair();
    const receiving = receiveSnapshot(target, limits);
    source.destroy();
    await expect(receiving).rejects.toMatchObject({ code: 'connection-lost', effect: 'unknown' });
    target.destroy();
  });
});
