/**
 * The connection to NATS: reconnects for ever, tells when it is gone, and turns every failure into an OperationError.
 *
 * Invariants:
 *  N1. A request that was cut off (timeout, lost connection) has effect `unknown`: it may still have been done.
 *  N2. A request waits for the connection first, so nothing lies in a client-side buffer to be sent much later.
 */
import { OperationError, type DurationMs } from '@godwit/kernel';
import { connect, credsAuthenticator, errors, headers, nanos, type ConnectionOptions, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';

/** The named timeouts of everything that waits for the broker. */
export const NATS_TIMEOUTS = {
  /** First connection. */
  connectMs: 5_000,
  /** One request of the JetStream API, and one command to a service. */
  requestMs: 2_000,
  /** One try of one append. */
  appendAttemptMs: 2_000,
  /** All tries of one append together; then it fails with effect `unknown`. */
  appendLimitMs: 15_000,
  /** All tries of one read from the leader together. */
  readLimitMs: 10_000,
  /** Between two tries to connect again. */
  reconnectWaitMs: 250,
} as const;

/** The oldest nats-server with the fence, atomic batches and `sync_interval: always`; older ones ignore the fence silently. */
export const MINIMUM_NATS_VERSION = '2.12.6';

export type NatsCredentials =
  | { readonly user: string; readonly password: string }
  | { readonly token: string }
  /** Path of a `.creds` file: a JWT and its nkey. */
  | { readonly credentialsFile: string };

export interface NatsConnectionOptions {
  /** One URL, or several separated by commas. */
  readonly url: string;
  /** Shown by the broker; the service's or device's name. */
  readonly name: string;
  readonly credentials?: NatsCredentials;
  /** Whether to learn the cluster's other servers from the one connected to. Default true; false behind a proxy. */
  readonly discoverServers?: boolean;
  /** Paths of PEM files. */
  readonly tls?: { readonly caFile: string; readonly certFile?: string; readonly keyFile?: string };
}

export type LinkEvent =
  | { readonly type: 'disconnected' | 'reconnected'; readonly server: string }
  /** Never opens again: closed by us, or refused by the broker. */
  | { readonly type: 'closed'; readonly reason: string };

export interface RequestOptions {
  /** Default `NATS_TIMEOUTS.requestMs`. */
  readonly timeoutMs?: DurationMs;
  readonly headers?: MsgHdrs;
}

export interface NatsLink extends AsyncDisposable {
  /** For core NATS publish and subscribe on hot paths. */
  readonly nc: NatsConnection;
  readonly serverVersion: string;
  readonly connected: boolean;
  /** @throws OperationError `timeout` or `connection-lost`; effect `none` when nobody listened, else `unknown`. */
  request(subject: string, payload: Uint8Array | string, options?: RequestOptions): Promise<Uint8Array>;
  /** Resolves when connected. @throws OperationError `connection-lost`, effect `none`, after `limitMs`. */
  whenConnected(limitMs: DurationMs): Promise<void>;
  /** Returns the function that stops the listening. */
  onEvent(listener: (event: LinkEvent) => void): () => void;
  /** Sends what is under way, then closes. */
  close(): Promise<void>;
}

/** @throws OperationError `connection-lost`, `unauthorized` or `server-too-old`. */
export async function connectNats(options: NatsConnectionOptions): Promise<NatsLink> {
  const settings = await connectionSettings(options);
  let nc: NatsConnection;
  try {
    nc = await connect(settings);
  } catch (cause) {
    const code = cause instanceof errors.AuthorizationError ? 'unauthorized' : 'connection-lost';
    throw new OperationError(code, `NATS at ${options.url}: ${(cause as Error).message}`, { effect: 'none', cause });
  }
  const version = nc.info?.version ?? 'unknown';
  if (!isAtLeast(version, MINIMUM_NATS_VERSION)) {
    await nc.close();
    throw new OperationError('server-too-old', `nats-server ${version} at ${options.url}: ${MINIMUM_NATS_VERSION} or newer is needed`, { effect: 'none' });
  }
  return new Link(nc, version);
}

async function connectionSettings(options: NatsConnectionOptions): Promise<ConnectionOptions> {
  const { credentials, tls } = options;
  return {
    servers: options.url.split(',').map((url) => url.trim()),
    name: options.name,
    timeout: NATS_TIMEOUTS.connectMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: NATS_TIMEOUTS.reconnectWaitMs,
    // A broker that restarts may refuse credentials for a moment; giving up on that would end a running device.
    ignoreAuthErrorAbort: true,
    pingInterval: 10_000,
    ignoreClusterUpdates: options.discoverServers === false,
    noAsyncTraces: true,
    ...(credentials && 'user' in credentials ? { user: credentials.user, pass: credentials.password } : {}),
    ...(credentials && 'token' in credentials ? { token: credentials.token } : {}),
    ...(credentials && 'credentialsFile' in credentials ? { authenticator: credsAuthenticator(await readFile(credentials.credentialsFile)) } : {}),
    ...(tls ? { tls: { ...tls } } : {}),
  };
}

/** True when dotted `version` (a suffix behind `-` is ignored) is `minimum` or newer. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = (text: string): number[] => (text.split('-')[0] ?? '').split('.').map(Number);
  const [given, wanted] = [numbers(version), numbers(minimum)];
  for (let i = 0; i < wanted.length; i++) {
    const difference = (given[i] ?? Number.NaN) - wanted[i]!;
    if (Number.isNaN(difference)) return false;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

class Link implements NatsLink {
  connected = true;
  private readonly listeners = new Set<(event: LinkEvent) => void>();

  constructor(readonly nc: NatsConnection, readonly serverVersion: string) {
    void this.watchStatus();
    void nc.closed().then((error) => {
      this.connected = false;
      this.tell({ type: 'closed', reason: error instanceof Error ? error.message : 'closed by us' });
    });
  }

  private async watchStatus(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'disconnect') {
        this.connected = false;
        this.tell({ type: 'disconnected', server: status.server });
      } else if (status.type === 'reconnect') {
        this.connected = true;
        this.tell({ type: 'reconnected', server: status.server });
      }
    }
  }

  private tell(event: LinkEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  onEvent(listener: (event: LinkEvent) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Resolves with the first event that `wanted` accepts; `stop` ends the waiting. */
  private next(wanted: (event: LinkEvent) => boolean): { event: Promise<LinkEvent>; stop: () => void } {
    let stop = (): void => undefined;
    const event = new Promise<LinkEvent>((resolve) => {
      stop = this.onEvent((happened) => {
        if (!wanted(happened)) return;
        stop();
        resolve(happened);
      });
    });
    return { event, stop: () => stop() };
  }

  async whenConnected(limitMs: DurationMs): Promise<void> {
    if (this.nc.isClosed()) throw lost('the connection is closed', 'none');
    if (this.connected) return;
    const change = this.next((event) => event.type !== 'disconnected');
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<undefined>((resolve) => { timer = setTimeout(() => resolve(undefined), limitMs); });
    try {
      const event = await Promise.race([change.event, limit]);
      if (event?.type !== 'reconnected') throw lost(event ? 'the connection is closed' : `no connection within ${limitMs} ms`, 'none');
    } finally {
      clearTimeout(timer);
      change.stop();
    }
  }

  async request(subject: string, payload: Uint8Array | string, options: RequestOptions = {}): Promise<Uint8Array> {
    const timeoutMs = options.timeoutMs ?? NATS_TIMEOUTS.requestMs;
    await this.whenConnected(timeoutMs);
    // The client lets a request that was in flight when the connection broke run into its timeout; we know sooner.
    const broken = this.next((event) => event.type !== 'reconnected');
    try {
      const reply = this.nc.request(subject, payload, { timeout: timeoutMs, ...(options.headers ? { headers: options.headers } : {}) });
      const first = await Promise.race([reply, broken.event]);
      if ('type' in first) throw lost(`${subject}: the connection broke before the answer`, 'unknown');
      return first.data;
    } catch (cause) {
      throw requestError(subject, timeoutMs, cause);
    } finally {
      broken.stop();
    }
  }

  async close(): Promise<void> {
    if (this.nc.isClosed()) return;
    // Draining waits for the broker; without one there is nothing to send to.
    // One that breaks while it drains has nothing more to wait for either.
    await (this.connected ? this.nc.drain().catch(() => this.nc.close()) : this.nc.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const lost = (what: string, effect: 'none' | 'unknown'): OperationError =>
  new OperationError('connection-lost', `NATS: ${what}`, { effect, retryAfterMs: NATS_TIMEOUTS.reconnectWaitMs });

function requestError(subject: string, timeoutMs: DurationMs, cause: unknown): OperationError {
  if (cause instanceof OperationError) return cause;
  if (cause instanceof errors.TimeoutError) {
    return new OperationError('timeout', `NATS: no answer on ${subject} within ${timeoutMs} ms`, { effect: 'unknown', cause });
  }
  if (cause instanceof errors.RequestError && cause.isNoResponders()) {
    return new OperationError('connection-lost', `NATS: nobody listens on ${subject}`, { effect: 'none', retryAfterMs: NATS_TIMEOUTS.reconnectWaitMs, cause });
  }
  if (cause instanceof errors.InvalidArgumentError) {
    return new OperationError('payload-too-large', `NATS: ${subject}: ${cause.message}`, { effect: 'none', cause });
  }
  return new OperationError('connection-lost', `NATS: ${subject}: ${(cause as Error).message}`, { effect: 'unknown', cause });
}

/** Runs work of the client's own libraries. @throws OperationError instead of whatever they throw; effect `unknown`. */
export async function failingAs<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof OperationError) throw cause;
    const code = cause instanceof errors.TimeoutError ? 'timeout' : 'connection-lost';
    throw new OperationError(code, `NATS: ${what}: ${(cause as Error).message}`, { effect: 'unknown', cause });
  }
}

/** Headers from pairs. */
export function headersOf(pairs: Readonly<Record<string, string | number>>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(pairs)) made.set(name, String(value));
  return made;
}

/** JetStream's durations are nanoseconds. */
export const toNanos = (durationMs: DurationMs): number => nanos(durationMs);
