/** A typed client of the gateway's API over `fetch`. Every method rejects with a GodwitError and nothing else. */
import { errorOf, GodwitError, unreachable } from './godwit-error.js';
import { parseEvents } from './server-sent-events.js';
import type {
  Application, ApplicationSpec, Decision, Device, DeviceSpec, Forecast, Graph, InputMessage, InputReceipt, Maintenance, Migration, MigrationUpdate, NewApplication, NewDevice,
  NewMaintenance, NewReservation, NewThread, Output, OutputPage, Page, Problem, RequestAnswer, Reservation, Thread, ThreadSpec,
} from './types.js';

export interface ClientOptions {
  /** Such as `http://127.0.0.1:4600`. */
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Longest time for one answer, ms; streams may be silent for so long. Default 30 s. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}
export interface PageOptions {
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}
type Query = Readonly<Record<string, string | number | undefined>>;
interface Sent {
  readonly body?: unknown;
  readonly raw?: { readonly bytes: Uint8Array; readonly type: string };
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Query;
  /** Instead of the client's own. */
  readonly timeoutMs?: number;
}
const DEFAULT_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** Between two tries to open a stream again: from, up to. */
const RETRY_MS = { least: 250, most: 5_000 } as const;
const encode = encodeURIComponent;

export class GodwitClient {
  readonly url: string;
  private readonly fetch: typeof fetch;
  private readonly timeoutMs: number;

  constructor(private readonly options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.fetch = options.fetch ?? fetch;
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** Stores a program; threads name it by its digest. */
  uploadProgram(bytes: Uint8Array, type: 'application/wasm' | 'text/javascript' | 'application/x-executable'): Promise<{ sha256: string; sizeBytes: number }> {
    return this.send('POST', '/v1/programs', { raw: { bytes, type } });
  }
  registerDevice(device: NewDevice): Promise<DeviceSpec> { return this.send('POST', '/v1/devices', { body: device }); }
  registerApplication(application: NewApplication): Promise<ApplicationSpec> { return this.send('POST', '/v1/applications', { body: application }); }
  registerThread(thread: NewThread): Promise<ThreadSpec> { return this.send('POST', '/v1/threads', { body: thread }); }
  reserve(reservation: NewReservation): Promise<Reservation> { return this.send('POST', '/v1/reservations', { body: reservation }); }
  announceMaintenance(maintenance: NewMaintenance): Promise<Maintenance> { return this.send('POST', '/v1/maintenance', { body: maintenance }); }
  async removeDevice(device: string): Promise<void> { await this.send('DELETE', `/v1/devices/${encode(device)}`); }
  async removeThread(thread: string): Promise<void> { await this.send('DELETE', `/v1/threads/${encode(thread)}`); }

  devices(page: PageOptions = {}): Promise<Page<Device>> { return this.send('GET', '/v1/devices', { query: { ...page } }); }
  device(id: string): Promise<Device> { return this.send('GET', `/v1/devices/${encode(id)}`); }
  applications(page: PageOptions = {}): Promise<Page<Application>> { return this.send('GET', '/v1/applications', { query: { ...page } }); }
  threads(page: PageOptions = {}): Promise<Page<Thread>> { return this.send('GET', '/v1/threads', { query: { ...page } }); }
  thread(id: string): Promise<Thread> { return this.send('GET', `/v1/threads/${encode(id)}`); }

  /** All pages, item by item. */
  async *all<Item>(list: (page: PageOptions) => Promise<Page<Item>>, limit = 500): AsyncGenerator<Item, void, void> {
    for (let after: string | undefined; ;) {
      const page = await list(after === undefined ? { limit } : { limit, after });
      yield* page.items;
      if (page.next === null) return;
      after = page.next;
    }
  }

  /** Appends an input. With a `requestId` it may be sent again: it is taken once. */
  input(thread: string, messages: readonly InputMessage[], options: { readonly requestId?: string } = {}): Promise<InputReceipt> {
    return this.send('POST', `/v1/threads/${encode(thread)}/inputs`, { body: { ...options, messages } });
  }
  /** Appends bytes as they are, as one message. */
  inputBytes(thread: string, bytes: Uint8Array, options: { readonly requestId?: string } = {}): Promise<InputReceipt> {
    const headers = options.requestId === undefined ? {} : { 'idempotency-key': options.requestId };
    return this.send('POST', `/v1/threads/${encode(thread)}/inputs`, { raw: { bytes, type: 'application/octet-stream' }, headers });
  }
  endInput(thread: string, options: { readonly requestId?: string } = {}): Promise<InputReceipt> {
    return this.send('POST', `/v1/threads/${encode(thread)}/inputs`, { body: { ...options, end: true } });
  }

  /**
   * Appends an input and waits for its answer, the first output that it causes; null when the thread put out nothing for
   * it. With a `requestId` it may be asked again, also after a timeout: it is served once and answered the same.
   * @param options.timeoutMs longest time for the answer, 1 to 120000, default 30 s; rejects with the code `timeout`.
   */
  async request(thread: string, messages: readonly InputMessage[], options: { readonly requestId?: string; readonly timeoutMs?: number } = {}): Promise<RequestAnswer> {
    const { timeoutMs = ANSWER_TIMEOUT_MS, ...id } = options;
    return this.send('POST', `/v1/threads/${encode(thread)}/requests`, { body: { ...id, messages }, query: { timeoutMs }, timeoutMs: timeoutMs + this.timeoutMs });
  }

  /** @param from `after` an output number (default 0), or the `last` so many. */
  outputs(thread: string, from: { readonly after?: number; readonly last?: number; readonly limit?: number } = {}): Promise<OutputPage> {
    return this.send('GET', `/v1/threads/${encode(thread)}/outputs`, { query: { ...from } });
  }
  /** Outputs as they come, each once and in order, through lost connections; ends when `signal` does. */
  async *followOutputs(thread: string, options: { readonly after?: number; readonly signal?: AbortSignal } = {}): AsyncGenerator<Output, void, void> {
    yield* this.follow<Output>(`/v1/threads/${encode(thread)}/outputs/stream`, {}, options.after ?? 0, options.signal);
  }

  migrate(thread: string, target: string, note = ''): Promise<{ migration: string }> {
    return this.send('POST', '/v1/migrations', { body: { thread, target, note } });
  }
  migrations(query: { readonly thread?: string; readonly limit?: number; readonly before?: string } = {}): Promise<Page<Migration>> {
    return this.send('GET', '/v1/migrations', { query: { ...query } });
  }
  migration(id: string): Promise<Migration> { return this.send('GET', `/v1/migrations/${encode(id)}`); }
  /** @param options.after 0 for all statuses that the gateway holds; default: from now on. */
  async *followMigrations(options: { readonly thread?: string; readonly after?: number; readonly signal?: AbortSignal } = {}): AsyncGenerator<MigrationUpdate, void, void> {
    yield* this.follow<MigrationUpdate>('/v1/migrations/stream', { thread: options.thread }, options.after, options.signal);
  }

  decisions(query: { readonly thread?: string; readonly limit?: number; readonly before?: string } = {}): Promise<Page<Decision>> {
    return this.send('GET', '/v1/decisions', { query: { ...query } });
  }
  /** Why the thread is where it is: its decisions, newest first. */
  async why(thread: string, limit = 10): Promise<readonly Decision[]> {
    await this.thread(thread);
    return (await this.decisions({ thread, limit })).items;
  }
  async deviceForecasts(device: string): Promise<readonly Forecast[]> {
    return (await this.send<{ items: Forecast[] }>('GET', `/v1/forecasts/devices/${encode(device)}`)).items;
  }
  async threadForecasts(thread: string): Promise<readonly Forecast[]> {
    return (await this.send<{ items: Forecast[] }>('GET', `/v1/forecasts/threads/${encode(thread)}`)).items;
  }
  /** @param thread the graph around it; the whole without. */
  graph(thread?: string): Promise<Graph> {
    return this.send('GET', thread === undefined ? '/v1/graph' : `/v1/graph/${encode(thread)}`);
  }

  private async send<Reply>(method: string, path: string, sent: Sent = {}): Promise<Reply> {
    const response = await this.open(method, path, sent, AbortSignal.timeout(sent.timeoutMs ?? this.timeoutMs));
    const text = await response.text().catch((cause: unknown) => { throw unreachable(this.url, cause); });
    if (!response.ok) throw errorOf(response.status, text);
    if (response.status === 204) return undefined as Reply;
    try {
      return JSON.parse(text) as Reply;
    } catch {
      throw errorOf(response.status, text);
    }
  }

  private async open(method: string, path: string, { body, raw, headers, query }: Sent, signal: AbortSignal): Promise<Response> {
    const pairs = Object.entries(query ?? {}).filter((pair): pair is [string, string | number] => pair[1] !== undefined).map(([name, value]): [string, string] => [name, String(value)]);
    const search = pairs.length > 0 ? `?${new URLSearchParams(pairs).toString()}` : '';
    const type = raw?.type ?? (body === undefined ? undefined : 'application/json');
    try {
      return await this.fetch(`${this.url}${path}${search}`, {
        method, signal, headers: { ...(type ? { 'content-type': type } : {}), ...(this.options.token ? { authorization: `Bearer ${this.options.token}` } : {}), ...headers },
        ...(raw ? { body: raw.bytes as Uint8Array<ArrayBuffer> } : body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw unreachable(this.url, cause);
    }
  }

  /** Follows a stream of events, and takes it up again behind the last one when the connection is lost or falls silent. */
  private async *follow<Item>(path: string, query: Query, after: number | undefined, signal: AbortSignal | undefined): AsyncGenerator<Item, void, void> {
    let lastId = after === undefined ? undefined : String(after);
    for (let failures = 0; !signal?.aborted; failures++) {
      const ended = new AbortController();
      const silence = new Silence(this.timeoutMs, ended);
      try {
        const response = await this.open('GET', path, { query: { ...query, ...(lastId === undefined ? {} : { after: lastId }) } }, AbortSignal.any(signal ? [signal, ended.signal] : [ended.signal]));
        if (!response.ok || !response.body) throw errorOf(response.status, await response.text());
        for await (const event of parseEvents(response.body.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>)) {
          silence.broken();
          if (!event) continue;
          if (event.event === 'problem') throw new GodwitError(JSON.parse(event.data) as Problem);
          failures = 0;
          lastId = event.id;
          yield JSON.parse(event.data) as Item;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (error instanceof GodwitError && !worthAnotherTry(error)) throw error;
      } finally {
        silence.end();
        ended.abort();
      }
      await pause(Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** Math.min(failures, 5)), signal);
    }
  }
}

/** The gateway may be back in a moment; anything that it said on purpose will not change by asking again. */
const worthAnotherTry = ({ status, code }: GodwitError): boolean => code === 'connection-lost' && (status === 0 || status === 503);

/** Ends a stream that has been silent for too long: the heartbeats have stopped. */
class Silence {
  private timer: ReturnType<typeof setTimeout>;
  constructor(private readonly limitMs: number, private readonly ended: AbortController) {
    this.timer = this.start();
  }
  private start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.ended.abort(), this.limitMs);
  }
  broken(): void {
    clearTimeout(this.timer);
    this.timer = this.start();
  }
  end(): void {
    clearTimeout(this.timer);
  }
}

function pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(resolve, durationMs);
    signal?.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
