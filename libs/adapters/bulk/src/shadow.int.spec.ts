import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { refuse, type Sha256 } from '@godwit/kernel';
import { encodeFeedHead, followFeed, ShadowFeed, type FedPart } from './index.js';

const part = (k: number, bytes: number): FedPart => ({ type: 'part', k, epoch: 1, cursorSeq: 5, outN: 2, digest: 'a'.repeat(64) as Sha256, bytes, ageMs: 1.5 });
const LIMITS = { maxBytes: 1_000_000, silenceMs: 20_000 };

describe('the feed of a shadow', () => {
  let server: Server;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => { for (const socket of sockets.splice(0)) socket.destroy(); });
  afterAll(() => void server.close());

  async function pair(): Promise<{ source: Socket; shadow: Socket }> {
    const arrived = once(server, 'connection') as Promise<[Socket]>;
    const source = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [shadow] = await arrived;
    sockets.push(source, shadow);
    return { source, shadow };
  }
  interface Seen { readonly parts: { readonly head: FedPart; readonly bytes: Buffer }[]; readonly current: number[] }
  /** Follows until the end; `seen` fills meanwhile. */
  function follow(socket: Socket, limits = LIMITS): { readonly seen: Seen; readonly ended: Promise<string> } {
    const seen: Seen = { parts: [], current: [] };
    const ended = followFeed(socket, {
      part: async (head, read) => {
        const pieces: Buffer[] = [];
        for (let left = head.bytes; left > 0; left -= pieces.at(-1)!.length) pieces.push(await read(Math.min(left, 65_536)));
        seen.parts.push({ head, bytes: Buffer.concat(pieces) });
        return head.k === 666 ? refuse('digest-mismatch', 'another digest') : undefined;
      },
      current: ({ k }) => seen.current.push(k),
    }, limits);
    return { seen, ended };
  }

  it('brings parts in order, acknowledges each, and says when nothing has changed', async () => {
    const { source, shadow } = await pair();
    const { seen, ended } = follow(shadow);
    const acked: number[] = [];
    let allAcked: () => void = () => undefined;
    const whenAcked = new Promise<void>((resolve) => (allAcked = resolve));
    const feed = await ShadowFeed.open(source, { timeoutMs: 5_000, onAck: (k) => { acked.push(k); if (acked.length === 3) allAcked(); }, onEnd: () => undefined });
    const contents = [1, 700_000, 12].map((bytes, i) => Buffer.alloc(bytes, i + 1));
    for (const [i, content] of contents.entries()) await feed.send(part(i + 1, content.length), [content.subarray(0, 3), content.subarray(3)]);
    await feed.send({ type: 'current', k: 3, epoch: 2 });
    await whenAcked;
    feed.close();
    expect(await ended).toMatch(/closed/);
    expect(acked).toEqual([1, 2, 3]);
    expect(seen.parts.map(({ head }) => head)).toEqual(contents.map((content, i) => part(i + 1, content.length)));
    seen.parts.forEach(({ bytes }, i) => expect(Buffer.compare(bytes, contents[i]!)).toBe(0));
    expect(seen.current).toEqual([3]);
  });

  it('ends at both sides when the shadow refuses a part', async () => {
    const { source, shadow } = await pair();
    const { ended } = follow(shadow);
    const over = new Promise<string>((resolve) => {
      void ShadowFeed.open(source, { timeoutMs: 5_000, onAck: () => resolve('acknowledged'), onEnd: resolve }).then((feed) => feed.send(part(666, 3), [Buffer.from('abc')]));
    });
    expect(await ended).toBe('another digest');
    expect(await over).toMatch(/closed|ECONNRESET/);
  });

  const prelude = Buffer.from('GDWF\x01\0\0\0', 'latin1');
  const sized = (text: string): Buffer => Buffer.concat([Buffer.from(Uint32Array.of(text.length).buffer), Buffer.from(text)]);
  it.each<[string, Buffer, RegExp]>([
    ['does not begin as one', Buffer.from('HTTP/1.1'), /GDWF/],
    ['is of another version', Buffer.from('GDWF\x02\0\0\0', 'latin1'), /version/],
    ['announces a huge head', Buffer.concat([prelude, Buffer.from(Uint32Array.of(1 << 30).buffer)]), /head of 1073741824 bytes/],
    ['announces no head', Buffer.concat([prelude, Buffer.alloc(4)]), /head of 0 bytes/],
    ['sends what is not JSON', Buffer.concat([prelude, sized('{"type":')]), /not JSON/],
    ['sends no object', Buffer.concat([prelude, sized('7')]), /no object/],
    ['sends an unknown kind', Buffer.concat([prelude, sized('{"type":"x","k":1,"epoch":1}')]), /not known/],
    ['sends no checkpoint', Buffer.concat([prelude, sized('{"type":"current","epoch":1}')]), /without checkpoint/],
    ['sends a negative size', Buffer.concat([prelude, encodeFeedHead({ ...part(1, 5), bytes: -5 })]), /out of range/],
    ['sends a digest that is none', Buffer.concat([prelude, encodeFeedHead({ ...part(1, 5), digest: 'x' as Sha256 })]), /out of range/],
    ['announces more than is allowed', Buffer.concat([prelude, encodeFeedHead(part(1, 1_000_001))]), /at most 1000000/],
    ['breaks off in a part', Buffer.concat([prelude, encodeFeedHead(part(1, 10)), Buffer.alloc(4)]), /closed/],
  ])('is over when the source %s, and nothing of it is taken', async (_what, bytes, reason) => {
    const { source, shadow } = await pair();
    const { seen, ended } = follow(shadow);
    source.on('error', () => undefined); // the other side may be gone before all is written
    source.end(bytes);
    expect(await ended).toMatch(reason);
    expect(seen.parts).toEqual([]);
  });

  it('is over when the source says nothing for too long', async () => {
    const { source, shadow } = await pair();
    const { ended } = follow(shadow, { ...LIMITS, silenceMs: 100 });
    source.on('error', () => undefined); // the end is what is looked at
    expect(await ended).toMatch(/nothing came for 100 ms/);
  });
});
