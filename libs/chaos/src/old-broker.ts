/**
 * An older copy of the broker's folder is put in its place while agents and the gateway live. Their own logs must tell:
 * the thread stops, the gateway neither takes in nor releases, both raise an alarm; and with the newer folder back, and
 * those who stopped started anew, everything goes on and nothing is missing (I12, I4).
 */
import { check, type Violation } from './check.js';
import { Feed } from './feed.js';
import { readHistory } from './history.js';
import { agentOf, type Rig } from './rig.js';
import { until } from './until.js';

const LIMIT_MS = 60_000;
/** I12: noticed within so long of the connection to the old broker. */
const NOTICE_MS = 15_000;
const NEWER_ANSWERS = 50;

export async function oldBroker(rig: Rig, { seed, say }: { readonly seed: number; readonly say: (line: string) => void }): Promise<boolean> {
  const runtime = seed % 2 === 0 ? 'wasm' : 'task';
  const thread = `old-broker-${seed}`;
  const at = await rig.addThread(thread, runtime);
  const feed = new Feed(() => rig.local.url, thread);
  await feed.answersAgain(LIMIT_MS);
  const own = await until(`an owner of ${thread}`, LIMIT_MS, () => rig.own(at));
  const owner = agentOf(own.record.device);
  await rig.broker.backUp();
  await feed.answersAgain(LIMIT_MS);
  const answered = feed.seen.length;
  await until('answers behind the copy', LIMIT_MS, () => feed.seen.length > answered + NEWER_ANSWERS);

  const restoredMs = performance.now();
  const before = feed.seen.length;
  await rig.broker.restoreBackUp();
  const violations: Violation[] = [];
  for (const service of [owner, 'gateway']) {
    const isNoticed = await until(`an alarm of ${service}`, NOTICE_MS, async () => (await rig.alarms(service)).length > 0).catch((error: Error) => void violations.push({ invariant: 'I12', text: error.message }));
    if (isNoticed) say(`${service} noticed it after ${((performance.now() - restoredMs) / 1000).toFixed(1)} s: ${/"reason":"([^"]*)"|"msg":"([^"]*)"/.exec((await rig.alarms(service))[0]!)?.[1] ?? ''}`);
  }
  const meanwhile = feed.seen.slice(before);
  say(`${meanwhile.length} answers were released between the restart on the old copy and the alarms`);

  await rig.broker.undoRestore();
  for (const service of [owner, 'gateway', 'migration-controller']) await rig.local.restart(service);
  await rig.whenReady();
  await feed.answersAgain(LIMIT_MS).catch((error: Error) => void violations.push({ invariant: 'I9', text: error.message }));
  await feed.finish(LIMIT_MS).catch((error: Error) => void violations.push({ invariant: 'I9', text: error.message }));
  const history = await readHistory(rig.link, at);
  violations.push(...check(history, feed.seen, runtime), ...feed.wrong.map((text): Violation => ({ invariant: 'I4', text })));
  say(`old broker, seed ${seed}, ${runtime}: ${history.length} records, ${feed.seen.length} answers, ${violations.length} violations`);
  for (const { invariant, text } of violations) say(`  VIOLATION ${invariant}: ${text}`);
  return violations.length === 0;
}
