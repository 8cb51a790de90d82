import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { RunnerProcess } from './runner-process.js';

const ENTRY = fileURLToPath(new URL('./counting-runner.fixture.mjs', import.meta.url));
const HELLO = Buffer.from('hello');
const SENT_BYTES = 300_000;

describe('a socket that is handed to a runner', () => {
  it('is read by the runner alone, also when the other side sends before the runner holds it', async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const runner = RunnerProcess.start(ENTRY);
    try {
      await runner.ready;
      const arrived = once(server, 'connection') as Promise<[Socket]>;
      const other = connect((server.address() as AddressInfo).port, '127.0.0.1');
      const [socket] = await arrived;
      // As the door does it: the hello is read here, then the reading is paused.
      const hello = once(socket, 'data');
      socket.resume();
      other.write(HELLO);
      expect((await hello)[0]).toEqual(HELLO);
      socket.pause();
      socket.removeAllListeners();
      const reply = runner.request('receive', { maxBytes: 1, timeoutMs: 10_000 }, { timeoutMs: 10_000, socket });
      other.end(Buffer.alloc(SENT_BYTES, 1));
      expect(await reply).toEqual({ bytes: SENT_BYTES });
    } finally {
      runner.end();
      server.close();
    }
  });
});
