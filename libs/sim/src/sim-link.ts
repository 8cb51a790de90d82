/** The simulated ways between runners on two devices: for a snapshot, or as a stream of messages. */
import type { BulkLink } from '@godwit/handover';

/** A way from one runner to another: what was put in, and who waits for it. Both ends hold the same object. */
export class SimLink implements BulkLink {
  private bytes: Uint8Array | undefined;
  private sent = false;
  private closed = false;
  private wake: (() => void) | undefined;

  /** @param carry takes the bytes over the network; `arrive` gets undefined when the connection broke. @param stream `persist` gets something to the other side if it can be got there at all, `spoil` is what the way does to it */
  constructor(private readonly carry: (bytes: Uint8Array, arrive: (bytes: Uint8Array | undefined) => void) => void, private readonly stream: { readonly persist: (run: () => void) => void; readonly spoil: (bytes: Uint8Array) => Uint8Array | undefined }) {}

  // As a stream: messages come in order, or the connection has ended.

  private posted = 0;
  private taken = 0;
  private readonly early = new Map<number, Uint8Array>();
  private take: ((bytes: Uint8Array) => void) | undefined;
  private broken: (() => void) | undefined;

  listen(take: (bytes: Uint8Array) => void, broken: () => void): void {
    this.take = take;
    this.broken = broken;
    this.deliver();
  }
  /** @returns false when the connection is known to have ended. */
  post(bytes: Uint8Array): boolean {
    if (this.closed) return false;
    const carried = this.stream.spoil(bytes);
    if (!carried) this.breakOff();
    else {
      const n = this.posted++;
      this.stream.persist(() => {
        this.early.set(n, carried);
        this.deliver();
      });
    }
    return true;
  }
  private deliver(): void {
    for (let next = this.early.get(this.taken); next && this.take && !this.closed; next = this.early.get(this.taken)) {
      this.early.delete(this.taken++);
      this.take(next);
    }
  }
  /** The sender is gone. */
  breakOff(): void {
    if (this.closed) return;
    this.stream.persist(() => this.broken?.());
    this.closed = true;
  }

  send(bytes: Uint8Array): void {
    if (this.closed) return;
    this.sent = true;
    this.carry(bytes, (arrived) => {
      if (arrived) this.bytes ??= arrived;
      this.sent = false;
      this.closed = true;
      this.wake?.();
    });
  }
  async receive(): Promise<Uint8Array | undefined> {
    if (!this.bytes && !this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.bytes;
  }
  /** What is under way still arrives. */
  destroy(): void {
    if (this.sent) return;
    this.closed = true;
    this.wake?.();
  }
}
