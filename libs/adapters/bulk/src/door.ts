/**
 * The bulk door of an agent: where snapshots of other devices arrive. A connection proves itself with a one-time key that
 * the controller gave to both sides over NATS; then the bare socket goes to the runner that waits for it.
 *
 *   hello: magic "GDWH" · migration id, zero-padded to 64 bytes · HMAC-SHA256(key, magic + id), 32 bytes: 100 bytes in all
 *
 * Invariants:
 *  B1. A key opens the door once. A stranger gets nothing, not even an answer, and holds a slot for HELLO_MS at most.
 *  B2. The agent reads the hello and not one byte more: the sender waits for the receiving runner's "go".
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { OperationError, type MigrationId } from '@godwit/kernel';

const MAGIC = Buffer.from('GDWH');
const ID_BYTES = 64;
const HELLO_BYTES = 4 + ID_BYTES + 32;
const HELLO_MS = 2_000;
const MAX_STRANGERS = 64;

function hello(migration: MigrationId, key: Uint8Array): Buffer {
  const id = Buffer.alloc(ID_BYTES);
  id.write(migration, 'latin1');
  const head = Buffer.concat([MAGIC, id]);
  return Buffer.concat([head, createHmac('sha256', key).update(head).digest()]);
}

interface Expected {
  readonly key: Uint8Array;
  readonly onSocket: (socket: Socket) => void;
}

export class BulkDoor {
  private readonly expected = new Map<string, Expected>();
  private strangers = 0;
  /** Connections that did not prove themselves. */
  refused = 0;

  private constructor(private readonly server: Server) {}

  /** @param port 0 for any free one. */
  static async open(host: string, port = 0): Promise<BulkDoor> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    const door = new BulkDoor(server);
    server.on('connection', (socket) => door.greet(socket));
    server.listen(port, host);
    await once(server, 'listening');
    return door;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Lets the sender of `migration` in, once. `onSocket` gets the paused socket. */
  expect(migration: MigrationId, key: Uint8Array, onSocket: (socket: Socket) => void): void {
    this.expected.set(migration, { key, onSocket });
  }

  forget(migration: MigrationId): void {
    this.expected.delete(migration);
  }

  private greet(socket: Socket): void {
    if (this.strangers >= MAX_STRANGERS) return void socket.destroy();
    this.strangers++;
    let received = Buffer.alloc(0);
    const leave = (admitted: boolean): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      this.strangers--;
      if (admitted) return;
      if (received.length > 0) this.refused++; // a bare connection is another agent that measures the way
      socket.on('error', () => undefined); // a stranger's reset concerns nobody
      socket.destroy();
    };
    const timer = setTimeout(() => leave(false), HELLO_MS);
    socket.on('error', () => leave(false));
    socket.on('close', () => leave(false));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < HELLO_BYTES) return;
      socket.pause();
      const expected = received.length === HELLO_BYTES ? this.admit(received) : undefined;
      leave(expected !== undefined);
      expected?.onSocket(socket);
    });
    socket.resume();
  }

  private admit(received: Buffer): Expected | undefined {
    const migration = received.toString('latin1', 4, 4 + ID_BYTES).replace(/\0+$/, '') as MigrationId;
    const expected = this.expected.get(migration);
    if (!expected || !timingSafeEqual(received, hello(migration, expected.key))) return undefined;
    this.expected.delete(migration);
    return expected;
  }

  /**
   * Listens no more. Does not wait for the server's `close` event: Node then asks every child that was given a socket
   * whether it has ended it, and a child that is gone never answers.
   */
  close(): void {
    this.expected.clear();
    this.server.close();
    this.server.unref();
  }
}

/**
 * Connects to a door and proves itself. The socket comes back paused and unread, ready to be handed to a runner.
 * @throws OperationError('connection-lost', effect none) when the door cannot be reached in `timeoutMs`.
 */
export async function knock(at: { readonly host: string; readonly port: number }, migration: MigrationId, key: Uint8Array, timeoutMs: number): Promise<Socket> {
  const socket = connect({ host: at.host, port: at.port, noDelay: true });
  socket.pause();
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    await new Promise<void>((resolve, reject) => socket.write(hello(migration, key), (error) => (error ? reject(error) : resolve())));
  } catch (cause) {
    socket.destroy();
    throw new OperationError('connection-lost', `bulk door ${at.host}:${at.port}: ${(cause as Error).message}`, { effect: 'none', cause });
  }
  return socket;
}
