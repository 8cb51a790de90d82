/** A TCP proxy that loses answers: what the client sent arrives, what the server says does not, then the connection breaks. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface LossyProxy extends AsyncDisposable {
  readonly port: number;
  /** Passes everything on to the server until the server has answered something, loses that answer, and cuts every connection. */
  loseNextAnswer(): void;
  /** Cuts every connection now; new ones are taken. */
  cut(): void;
  /** How many answers were lost so far. */
  readonly lost: number;
}

/** Listens on a free port of 127.0.0.1 and passes on to `targetPort` there. */
export async function lossyProxy(targetPort: number): Promise<LossyProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let losing = false;
  let lost = 0;
  const cut = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    pairs.clear();
  };
  const server = createServer((client) => {
    const target = connect({ host: '127.0.0.1', port: targetPort });
    const pair = [client, target] as const;
    pairs.add(pair);
    for (const socket of pair) {
      // An error is always followed by `close`, which ends both sides.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => { pairs.delete(pair); client.destroy(); target.destroy(); });
    }
    client.on('data', (chunk) => target.write(chunk));
    target.on('data', (chunk) => {
      if (!losing) {
        client.write(chunk);
        return;
      }
      losing = false;
      lost += 1;
      cut();
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return {
    port: (server.address() as AddressInfo).port,
    loseNextAnswer: () => { losing = true; },
    cut,
    get lost() { return lost; },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise<void>((resolve) => { server.close(() => resolve()); });
    },
  };
}
