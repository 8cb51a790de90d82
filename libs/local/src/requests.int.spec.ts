import type { ShardId } from '@godwit/kernel';
import { headers } from '@nats-io/transport-node';
import { expectWhole, Loop, until } from './loop.fixture.js';

const MINUTES = 60_000;
const SHARD = 'app' as ShardId;
/** Says for each number how many it has seen and their sum; keeps silent at `null`. */
const SUM = `import { defineThread, jsonCodec } from '@godwit/sdk';
  export default defineThread({ name: 'sum', version: '1', deterministic: true, initial: () => ({ n: 0, sum: 0 }), codec: jsonCodec(),
    onMessage(ctx, message, state) {
      const x = message.json();
      if (x === null) return state;
      state.n += 1; state.sum += x;
      ctx.emit('sum', { n: state.n, sum: state.sum });
      return state;
    } });`;

interface Reply { readonly requestId: string; readonly seq: number; readonly duplicate: boolean; readonly answer: { readonly n: number; readonly causedBySeq: number; readonly messages: readonly { readonly text: string }[] } | null }

describe('requests to a thread', () => {
  let loop: Loop;
  beforeAll(async () => {
    loop = await Loop.start({ policy: 'off' });
    await loop.thread('sum', 'task', await loop.put(SUM));
    await loop.own('sum');
  }, 3 * MINUTES);
  afterAll(() => loop?.[Symbol.asyncDispose](), MINUTES);

  async function ask(text: string, requestId: string, timeoutMs = 60_000): Promise<Response> {
    return fetch(`${loop.local.url}/v1/threads/sum/requests?timeoutMs=${timeoutMs}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ requestId, messages: [{ kind: 'n', text }] }),
    });
  }
  const answered = async (text: string, requestId: string): Promise<Reply> => {
    const response = await ask(text, requestId);
    expect(response.status).toBe(200);
    return (await response.json()) as Reply;
  };
  const said = (reply: Reply): { n: number; sum: number } => JSON.parse(reply.answer!.messages[0]!.text) as { n: number; sum: number };

  it('are answered once each and in order while the thread moves four times under them', async () => {
    let [sent, moving] = [0, true];
    const replies: Reply[] = [];
    const moves = (async () => {
      for (let move = 0; move < 4; move++) {
        const { device } = (await loop.own('sum')).record;
        expect((await loop.move('sum', device === 'd-large' ? 'd-medium' : 'd-large')).record.reason).toBe('committed');
        const seen = replies.length;
        await until('answers at the new home', async () => replies.length > seen + 3, MINUTES);
      }
      moving = false;
    })();
    const asking = (async () => {
      while (moving || sent < 50) {
        const row = Array.from({ length: 4 }, () => answered('1', `r-${++sent}`));
        replies.push(...(await Promise.all(row)));
      }
    })();
    await Promise.all([moves, asking]);
    // Four at a time may overtake each other on the way to the journal; there each has one place and one answer.
    const bySeq = [...replies].sort((a, b) => a.seq - b.seq);
    expect(bySeq.map((reply) => said(reply))).toEqual(bySeq.map((_reply, i) => ({ n: i + 1, sum: i + 1 })));
    expect(bySeq.every(({ seq, answer }) => answer?.causedBySeq === seq)).toBe(true);
    expectWhole(await loop.outputs('sum'));
  }, 4 * MINUTES);

  it('give the same answer when they are asked again, and change nothing', async () => {
    const first = await answered('5', 'again');
    await answered('7', 'later');
    const before = await loop.outN('sum');
    const second = await answered('5', 'again');
    expect([second.duplicate, second.answer]).toEqual([true, first.answer]);
    expect(await answered('1', 'r-1')).toMatchObject({ duplicate: true, answer: { n: 1 } });
    expect(await loop.outN('sum')).toBe(before);
    expect((await ask('6', 'again')).status).toBe(409);
  }, MINUTES);

  it('without an answer are told so as soon as a later one has its own', async () => {
    const before = await loop.journal.lastSeq(SHARD);
    const silent = answered('null', 'silent');
    await until('the silent one is in the journal', async () => (await loop.journal.lastSeq(SHARD)) > before);
    await answered('1', 'after-silent');
    expect((await silent).answer).toBeNull();
  }, MINUTES);

  it('that are not answered in time say that they are in the journal, and can be asked again', async () => {
    const response = await ask('null', 'late', 300);
    expect([response.status, ((await response.json()) as { code: string; detail: string }).code]).toEqual([504, 'timeout']);
    await answered('1', 'after-late');
    expect((await answered('null', 'late'))).toMatchObject({ duplicate: true, answer: null });
  }, MINUTES);

  it('come by NATS too, with the same answers', async () => {
    const nats = async (text: string, id: string) => {
      const head = headers();
      head.set('Godwit-Request-Id', id);
      return loop.link.nc.request('godwit.request.sum', text, { timeout: 30_000, headers: head });
    };
    const reply = await nats('2', 'by-nats');
    expect(JSON.parse(reply.string())).toEqual(JSON.parse((await nats('2', 'by-nats')).string()));
    expect(reply.headers?.get('Godwit-Messages')).toBe(`sum:${reply.data.length}`);
    expect(reply.headers?.get('Godwit-Output')).toMatch(/^\d+$/);
    // REST's message has a kind, so that is another content under the same id.
    expect((await ask('2', 'by-nats')).status).toBe(409);
    expect((await nats('2', 'Not An Id')).headers?.get('Godwit-Field')).toBe('Idempotency-Key');
    expect((await loop.link.nc.request('godwit.request.nobody', '', { timeout: 10_000 })).headers?.get('Godwit-Code')).toBe('not-found');
  }, MINUTES);
});
