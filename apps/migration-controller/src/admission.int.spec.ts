import { describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { connectNats, ensureStreams } from '@godwit/nats';
import { createLog } from '@godwit/shell';
import { startTestNats } from '@godwit/testing/servers';
import { JSON_CONTENT_TYPE, STREAMS, SUBJECTS, verdictCodec, type RegistryVerdict } from '@godwit/wire';
import { headers } from '@nats-io/transport-node';
import { Admission } from './admission.js';

const LIMIT_MS = 90_000;
/** Longer than the client waits for the acknowledgement of an append. */
const STANDS_STILL_MS = 7_000;

const EVENTS = [
  ['application-registered', 'app', { application: 'app' }],
  ['thread-registered', 't1', { thread: 't1', application: 'app', runtime: 'task', programSha256: 'a'.repeat(64) }],
] as const;

describe('the admission of events', () => {
  it('gives its verdict, and takes it over itself, when the broker stands still while it is written', async () => {
    await using nats = await startTestNats();
    await using link = await connectNats({ url: nats.url, name: 'admission' });
    await ensureStreams(link, { replicas: 1, registrySubjects: STREAMS.registry.subjects });
    const accepted: string[] = [];
    let taken: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (taken = resolve));
    const admission = new Admission({
      nats: link.nc, log: createLog('admission', 'silent'),
      checkThread: async () => {
        nats.kill('SIGSTOP');
        setTimeout(() => nats.kill('SIGCONT'), STANDS_STILL_MS);
        return undefined;
      },
      onAccepted: ({ event }) => { if (accepted.push(event) === 2) taken(); },
    });
    await admission.start();
    const told: RegistryVerdict[] = [];
    link.nc.subscribe(SUBJECTS.registryAccepted('thread-registered'), { callback: (_error, message) => {
      const verdict = verdictCodec.decode(message.data);
      if (!isRefusal(verdict)) told.push(verdict);
    } });
    const json = headers();
    json.set('Content-Type', JSON_CONTENT_TYPE);
    for (const [event, id, spec] of EVENTS) link.nc.publish(SUBJECTS.registryEvent(event, id), JSON.stringify(spec), { headers: json });
    await both;
    await link.nc.flush();
    expect(accepted).toEqual(['application-registered', 'thread-registered']);
    expect(admission.registry.threads.has('t1' as never)).toBe(true);
    expect(told.map(({ id, accepted: isAccepted }) => [id, isAccepted])).toEqual([['t1', true]]);
    admission.close();
  }, LIMIT_MS);
});
