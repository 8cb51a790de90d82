import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deviceId, type Sha256 } from '@godwit/kernel';
import { startTestNats, type TestNats } from '@godwit/testing';
import { connectNats, ensureStreams, openLeases, openPrograms, type LeaseChange, type NatsLink } from './index.js';

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
const brief = (change: LeaseChange): string => (change.type === 'held' ? `${change.device} held ${text(change.info)}` : `${change.device} ${change.reason}`);

/** Resolves when `condition` holds; looks at it after each event that `tick` is called for. */
function condition(what: string, limitMs: number, holds: () => boolean) {
  let check = (): void => undefined;
  const met = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: not within ${limitMs} ms`)), limitMs);
    check = () => { if (holds()) { clearTimeout(timer); resolve(); } };
  });
  return { met, check: () => check() };
}

describe('beside the journal', () => {
  let nats: TestNats;
  let link: NatsLink;
  beforeAll(async () => {
    nats = await startTestNats();
    link = await connectNats({ url: nats.url, name: 'spec' });
  }, 60_000);
  afterAll(async () => {
    await link.close();
    await nats[Symbol.asyncDispose]();
  }, 60_000);

  const [d1, d2] = [deviceId('d1'), deviceId('d2')];

  it('leases are told when they are held, expire and are dropped', async () => {
    const leases = await openLeases(link, { leaseMs: 1_000, prefix: 'a.' });
    const told: string[] = [];
    const done = condition('both leases end', 8_000, () => told.includes('d1 expired') && told.includes('d2 dropped'));
    const stop = await leases.watch((change) => { told.push(brief(change)); done.check(); });
    await leases.renew(d1, Buffer.from('one'));
    await leases.renew(d2, Buffer.from('two'));
    await leases.drop(d2);
    await done.met;
    stop();
    expect(told.filter((line) => line.startsWith('d1'))).toEqual(['d1 held one', 'd1 expired']);
    expect(told.filter((line) => line.startsWith('d2'))).toEqual(['d2 held two', 'd2 dropped']);
  });

  it('leases outlive a broker that lost its memory: renewed ones go on, the others expire', async () => {
    const leases = await openLeases(link, { leaseMs: 2_000, prefix: 'b.' });
    await leases.renew(d1, Buffer.from('one'));
    await leases.renew(d2, Buffer.from('two'));
    const told: string[] = [];
    const both = condition('both leases are held', 2_000, () => told.length >= 2);
    const again = condition('d1 is held again and d2 expires', 12_000, () => told.includes('d1 held again') && told.includes('d2 expired'));
    const stop = await leases.watch((change) => { told.push(brief(change)); both.check(); again.check(); });
    await both.met;
    await nats.restart('SIGKILL');
    await leases.renew(d1, Buffer.from('again'));
    await again.met;
    stop();
    expect(told.indexOf('d1 held again')).toBeLessThan(told.indexOf('d2 expired'));
  });

  it('programs come back under their digest, derived ones under their name', async () => {
    const programs = await openPrograms(link);
    const bytes = new Uint8Array(700_000).map((_, i) => (i * 31) & 0xff);
    const program = await programs.put(bytes);
    expect(program).toMatch(/^[0-9a-f]{64}$/);
    expect(await programs.put(bytes)).toBe(program);
    expect(Buffer.compare((await programs.get(program))!, bytes)).toBe(0);
    expect(await programs.get('0'.repeat(64) as Sha256)).toBeUndefined();
    expect(await programs.getDerived(program, 'migratable-1')).toBeUndefined();
    await programs.putDerived(program, 'migratable-1', Buffer.from('instrumented'));
    expect(text(await programs.getDerived(program, 'migratable-1') as Uint8Array)).toBe('instrumented');
    expect(await programs.putDerived(program, '../x', bytes)).toMatchObject({ refused: true, field: 'name' });
  });

  it('programs whose stored bytes are others are not handed out', async () => {
    const programs = await openPrograms(link);
    const { Objm } = await import('@nats-io/obj');
    const program = 'a'.repeat(64) as Sha256;
    await (await new Objm(link.nc).open('GODWIT_PROGRAMS')).putBlob({ name: program }, Buffer.from('forged'));
    await expect(programs.get(program)).rejects.toMatchObject({ code: 'digest-mismatch' });
  });

  it('streams are made, found again, and brought up to date', async () => {
    const info = async (name: string) => JSON.parse(text(await link.request(`$JS.API.STREAM.INFO.${name}`, '{}'))).config;
    const subjects = ['godwit.registry.device', 'godwit.registry.thread'];
    await ensureStreams(link, { replicas: 1, registrySubjects: subjects.slice(0, 1) });
    await ensureStreams(link, { replicas: 1, registrySubjects: subjects, historyMaxAgeMs: 3_600_000, historyMaxBytes: 1_000_000 });
    await ensureStreams(link, { replicas: 1, registrySubjects: subjects, historyMaxAgeMs: 3_600_000, historyMaxBytes: 1_000_000 });
    expect(await info('GODWIT_REGISTRY')).toMatchObject({ subjects, storage: 'file', deny_delete: true, max_age: 0 });
    expect(await info('GODWIT_MIGRATIONS')).toMatchObject({ subjects: ['godwit.migration.>'] });
    expect(await info('GODWIT_DECISIONS')).toMatchObject({ subjects: ['godwit.decision.*'] });
    expect(await info('GODWIT_HISTORY')).toMatchObject({ subjects: ['godwit.history.>'], max_age: 3_600_000_000_000, max_bytes: 1_000_000, discard: 'old' });
  });

  it('a stream of another kind under our name is refused with what differs', async () => {
    await link.request('$JS.API.STREAM.CREATE.X_GODWIT_REGISTRY', JSON.stringify({ name: 'X_GODWIT_REGISTRY', subjects: ['x.>'], storage: 'memory' }));
    await expect(ensureStreams(link, { replicas: 1, registrySubjects: ['godwit.registry.*'], prefix: 'x.' })).rejects.toMatchObject({ code: 'conflict', message: /storage/ });
  });
});
