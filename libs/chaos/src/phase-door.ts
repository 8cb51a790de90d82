/**
 * A TCP proxy before the broker, through which the controller speaks. It reads NATS' own framing, so it can hold the
 * controller's stream exactly before one command, or exactly before the answer to one, while a fault is made: that is how
 * a fault meets a phase that lasts a millisecond. It changes no byte and drops none.
 *
 * Invariants:
 *  D1. Only whole protocol messages are held or passed; their order stays.
 *  D2. One hold at a time; `release` lets all of what was held go at once, also after the client is gone.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** Where to hold. `before`: the command is not sent. `answer`: it was carried out, its answer is held. `after`: it is sent. */
export interface HoldAt {
  readonly when: 'before' | 'answer' | 'after';
  readonly subject: RegExp;
}

const END = Buffer.from('\r\n');
const PAYLOADS = new Set(['PUB', 'HPUB', 'MSG', 'HMSG']);
/** A control line of NATS is at most 4 KiB; INFO is longer. */
const MAX_LINE_BYTES = 1024 * 1024;

interface Framed {
  readonly bytes: Buffer;
  /** Empty for messages without one. */
  readonly subject: string;
  /** Of a publish that wants an answer. */
  readonly reply: string | undefined;
}

/** Cuts a stream of NATS' protocol into its messages. */
export class Frames {
  private rest: Buffer = Buffer.alloc(0);

  /** @throws Error when what comes is no NATS protocol. */
  *take(chunk: Buffer): Generator<Framed> {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    for (;;) {
      const end = this.rest.indexOf(END);
      if (end < 0 && this.rest.length > MAX_LINE_BYTES) throw new Error('a line of the NATS protocol does not end');
      if (end < 0) return;
      const words = this.rest.toString('latin1', 0, end).split(/[ \t]+/);
      const verb = words[0]!.toUpperCase();
      const hasPayload = PAYLOADS.has(verb);
      const length = end + 2 + (hasPayload ? Number(words.at(-1)) + 2 : 0);
      if (this.rest.length < length) return;
      const bytes = this.rest.subarray(0, length);
      this.rest = this.rest.subarray(length);
      const sizes = verb.startsWith('H') ? 2 : 1;
      const isPublish = verb === 'PUB' || verb === 'HPUB';
      yield { bytes, subject: hasPayload ? words[1]! : '', reply: isPublish && words.length > 2 + sizes ? words[2] : undefined };
    }
  }
}

interface Armed extends HoldAt {
  answer: string | undefined;
  readonly hit: () => void;
}

export class PhaseDoor {
  private armed: Armed | undefined;
  private held: { readonly to: Socket; readonly stream: 'up' | 'down'; readonly messages: Buffer[] } | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server, private readonly broker: { readonly host: string; readonly port: number }) {
    server.on('connection', (client) => this.join(client));
  }

  /** @param broker where the broker listens; it may come later, or go and come back. */
  static async open(broker: { readonly host: string; readonly port: number }): Promise<PhaseDoor> {
    const server = createServer({ noDelay: true });
    const door = new PhaseDoor(server, broker);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return door;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Resolves when the stream is held there. One at a time; `release` ends it, held or not. */
  arm(at: HoldAt): Promise<void> {
    this.release();
    return new Promise((hit) => (this.armed = { ...at, answer: undefined, hit }));
  }

  release(): void {
    const { held } = this;
    this.armed = undefined;
    this.held = undefined;
    for (const message of held?.messages ?? []) if (held?.to.writable) held.to.write(message);
  }

  async close(): Promise<void> {
    this.release();
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket): void {
    const broker = connect({ ...this.broker, noDelay: true });
    for (const [from, to, stream] of [[client, broker, 'up'], [broker, client, 'down']] as const) {
      const frames = new Frames();
      this.sockets.add(from);
      from.on('data', (chunk: Buffer) => {
        for (const message of frames.take(chunk)) this.pass(message, to, stream);
      });
      // Not there, or cut off: 'close' follows, and both sides learn it.
      from.on('error', () => from.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }

  private pass(message: Framed, to: Socket, stream: 'up' | 'down'): void {
    if (this.held?.to === to) return void this.held.messages.push(message.bytes);
    const when = this.armed && stops(this.armed, message, stream);
    if (when !== 'before') to.write(message.bytes);
    if (!when) return;
    const { hit } = this.armed!;
    this.armed = undefined;
    this.held = { to, stream, messages: when === 'before' ? [message.bytes] : [] };
    hit();
  }
}

function stops(armed: Armed, { subject, reply }: Framed, stream: 'up' | 'down'): 'before' | 'after' | undefined {
  if (stream === 'down') return armed.answer !== undefined && subject === armed.answer ? 'before' : undefined;
  if (!armed.subject.test(subject)) return undefined;
  if (armed.when !== 'answer') return armed.when;
  armed.answer = reply;
  return undefined;
}
