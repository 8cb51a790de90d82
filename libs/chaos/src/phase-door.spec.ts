import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { Frames, PhaseDoor } from './phase-door.js';
import { until } from './until.js';

const LIMIT_MS = 10_000;
const SAID = 'CONNECT {}\r\nPUB a.b 5\r\nhello\r\nHPUB c.d _INBOX.7 4 9\r\nabcdhello\r\nPING\r\nPUB e _INBOX.8 0\r\n\r\n';

describe('the framing of NATS', () => {
  it('is cut into the same messages wherever the chunks end', () => {
    const whole = [...new Frames().take(Buffer.from(SAID))];
    expect(whole.map(({ subject, reply }) => [subject, reply])).toEqual([['', undefined], ['a.b', undefined], ['c.d', '_INBOX.7'], ['', undefined], ['e', '_INBOX.8']]);
    expect(Buffer.concat(whole.map(({ bytes }) => bytes)).toString()).toBe(SAID);
    const frames = new Frames();
    const byByte = [...Buffer.from(SAID)].flatMap((byte) => [...frames.take(Buffer.from([byte]))]);
    expect(byByte.map(({ bytes }) => bytes.toString())).toEqual(whole.map(({ bytes }) => bytes.toString()));
  });
});

/** A broker that answers each publish with a reply by a message to it. */
async function fakeBroker(): Promise<{ port: number; said: () => string; answer: (text: string) => void; close: () => void }> {
  let said = '';
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port, said: () => said, answer: (text) => sockets.at(-1)!.write(text),
    close: () => { for (const socket of sockets) socket.destroy(); server.close(); },
  };
}

describe('the phase door', () => {
  it.each(['before', 'answer', 'after'] as const)('holds %s a command, and lets all of it go', async (when) => {
    const broker = await fakeBroker();
    const door = await PhaseDoor.open({ host: '127.0.0.1', port: broker.port });
    const client = connect({ host: '127.0.0.1', port: Number(new URL(door.url).port) });
    let heard = '';
    client.on('data', (chunk: Buffer) => { heard += chunk.toString(); });
    try {
      const hit = door.arm({ when, subject: /^stop$/ });
      const [first, stop, last] = ['PUB go 1\r\na\r\n', 'PUB stop _INBOX.1 1\r\nb\r\n', 'PUB go 1\r\nc\r\n'];
      client.write(first + stop + last);
      const [answer, other] = ['MSG _INBOX.1 1 1\r\ny\r\n', 'MSG x 1 1\r\nz\r\n'];
      if (when === 'answer') {
        await until('everything was sent', LIMIT_MS, () => broker.said() === first + stop + last);
        broker.answer(other + answer + other);
      }
      await hit;
      if (when === 'answer') await until('what came before', LIMIT_MS, () => heard === other);
      else await until('what may pass', LIMIT_MS, () => broker.said() === (when === 'before' ? first : first + stop));
      door.release();
      await until('the rest', LIMIT_MS, () => broker.said() === first + stop + last && (when !== 'answer' || heard === other + answer + other));
      expect(broker.said()).toBe(first + stop + last);
    } finally {
      client.destroy();
      await door.close();
      broker.close();
    }
  });
});
