/** Whether a NATS server is one on which the journal may rest: new enough, and nothing acknowledged before the disk has it. */
import { connect } from 'node:net';
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import { parseVersion, tooOld } from './version.js';

export interface NatsDurability {
  readonly version: string;
  readonly syncAlways: true;
}

export interface DurabilityQuery {
  /** Address for clients; used for the version when there is no monitoring address. */
  readonly url?: string;
  /** Address of the monitoring endpoint, as in `http://127.0.0.1:8222`. */
  readonly monitorUrl?: string;
}

const TIMEOUT_MS = 5_000;
const MAX_INFO_BYTES = 64 * 1024;

/**
 * Refuses with `server-too-old` or `unsafe-durability`, each in one line with the remedy.
 * @throws OperationError `connection-lost` when the server does not answer, `malformed-message` when it answers otherwise.
 */
export async function checkNatsDurability(query: DurabilityQuery): Promise<NatsDurability | Refusal> {
  if (query.monitorUrl === undefined) {
    const version = query.url === undefined ? undefined : await greetingVersion(query.url);
    const refusal = version === undefined ? undefined : tooOld('nats', version, 'the server at NATS_URL');
    return refusal ?? refuse('unsafe-durability',
      'whether the NATS server syncs before it acknowledges cannot be seen: set NATS_MONITOR_URL to its monitoring address, or start with --unsafe-durability (GODWIT_UNSAFE_DURABILITY=true)');
  }
  const varz = await fetchMonitor(query.monitorUrl, 'varz') as { version?: unknown; jetstream?: { config?: { sync_always?: unknown } } } | null;
  const text = typeof varz?.version === 'string' ? varz.version : '';
  const version = parseVersion(text);
  if (version === undefined) throw new OperationError('malformed-message', `${query.monitorUrl}/varz names no version: is it a NATS monitoring address?`, { effect: 'none' });
  const refusal = tooOld('nats', version, `the server at ${query.monitorUrl}`);
  if (refusal !== undefined) return refusal;
  const config = varz?.jetstream?.config;
  if (config === undefined) return refuse('unsafe-durability', `the server at ${query.monitorUrl} has JetStream switched off: add "jetstream { sync_interval: always }" to its configuration`);
  if (config.sync_always !== true) {
    return refuse('unsafe-durability', `the server at ${query.monitorUrl} acknowledges before the disk has it: set "sync_interval: always" in its jetstream block, or start with --unsafe-durability`);
  }
  return { version: text, syncAlways: true };
}

/** One document of the monitoring endpoint. @throws OperationError `connection-lost`, `malformed-message` */
export async function fetchMonitor(monitorUrl: string, document: 'varz' | 'jsz'): Promise<unknown> {
  const address = new URL(document, monitorUrl.endsWith('/') ? monitorUrl : `${monitorUrl}/`);
  let text: string;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    text = await response.text();
  } catch (cause) {
    throw new OperationError('connection-lost', `the NATS monitoring address ${monitorUrl} does not answer`, { effect: 'none', cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new OperationError('malformed-message', `${monitorUrl} does not answer as a NATS server does`, { effect: 'none', cause });
  }
}

/** The version from the line that a NATS server greets each client with; undefined where it speaks first only after TLS. */
function greetingVersion(url: string): ReturnType<typeof greeting> {
  const first = new URL(url.split(',')[0]!.trim());
  return greeting(first.hostname.replace(/^\[|\]$/g, ''), Number(first.port || 4222));
}

function greeting(host: string, port: number): Promise<ReturnType<typeof parseVersion>> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host, port });
    socket.setEncoding('utf8').setTimeout(TIMEOUT_MS, () => socket.end());
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n') || text.length > MAX_INFO_BYTES) socket.end();
    });
    socket.once('error', (cause) => reject(new OperationError('connection-lost', `the NATS server at ${host}:${port} does not answer`, { effect: 'none', cause })));
    socket.once('close', () => resolve(parseVersion(/^INFO .*?"version":\s*"([^"]+)"/.exec(text)?.[1] ?? '')));
  });
}

/**
 * For a service's start: ends the process with one clear line when the journal could not rest on the broker, and nobody said
 * that this is known.
 */
export async function demandDurability(query: { readonly url: string; readonly monitorUrl: string | undefined; readonly unsafe: boolean }): Promise<void> {
  if (query.unsafe) return;
  const found = await checkNatsDurability({ url: query.url, ...(query.monitorUrl === undefined ? {} : { monitorUrl: query.monitorUrl }) });
  if (!isRefusal(found)) return;
  process.stderr.write(`godwit: ${found.reason}\n`);
  process.exit(2);
}
