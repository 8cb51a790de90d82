/**
 * The invariants I1 to I6 of a thread, on its history and on what its client saw. Pure: the same records give the same
 * verdict. I9 is the runner's, which waits with a limit.
 */
import { createHash } from 'node:crypto';
import type { Sha256 } from '@godwit/kernel';
import { CHAIN_START, chainOutput } from '@godwit/snapshot';
import type { OwnRecord } from '@godwit/journal';
import type { HistoryRecord } from './history.js';
import { LedgerModel, type LedgerRuntime } from './ledger.js';

/** A request whose answer a client has read. */
export interface SeenAnswer {
  readonly requestId: string;
  readonly seq: number;
  /** Undefined for the answer "none". */
  readonly answer: { readonly n: number; readonly text: string } | undefined;
}

export interface Violation {
  readonly invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I9' | 'I12';
  readonly text: string;
}

const sha256 = (...parts: readonly Uint8Array[]): Sha256 => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};
const textOf = (messages: readonly { readonly payload: Uint8Array }[]): string => messages.map(({ payload }) => Buffer.from(payload).toString()).join('');
type Of<Type extends HistoryRecord['type']> = Extract<HistoryRecord, { type: Type }>;
const only = <Type extends HistoryRecord['type']>(history: readonly HistoryRecord[], type: Type): Of<Type>[] => history.filter((entry): entry is Of<Type> => entry.type === type);

export function check(history: readonly HistoryRecord[], seen: readonly SeenAnswer[], runtime: LedgerRuntime): Violation[] {
  return [...owners(history), ...outputs(history, runtime), ...answers(history, seen), ...outcomes(history)];
}

/** I1: epochs 1, 2, 3 … ; I2: nothing of an older epoch behind a newer owner. */
function owners(history: readonly HistoryRecord[]): Violation[] {
  const found: Violation[] = [];
  let epoch = 0;
  for (const { seq, type, record } of history) {
    if (type === 'own') {
      if (record.epoch !== epoch + 1) found.push({ invariant: 'I1', text: `owner record ${seq} has epoch ${record.epoch} behind ${epoch}` });
      epoch = record.epoch;
    } else if (type !== 'in' && record.epoch !== epoch) {
      found.push({ invariant: 'I2', text: `${type} record ${seq} is of epoch ${record.epoch} while ${epoch} is the newest` });
    }
  }
  return found;
}

/** I3: numbers, chain and content as one sequential run makes them; I5: each input once. */
function outputs(history: readonly HistoryRecord[], runtime: LedgerRuntime): Violation[] {
  const found: Violation[] = [];
  const inputs = only(history, 'in').filter(({ record }) => record.kind === 'message');
  const ids = inputs.map(({ record }) => record.requestId);
  if (new Set(ids).size !== ids.length) found.push({ invariant: 'I5', text: 'a request id stands in the journal twice' });
  const model = new LedgerModel(runtime);
  let hash = CHAIN_START;
  const outs = only(history, 'out');
  for (const [index, { seq, record }] of outs.entries()) {
    if (record.n !== index + 1) return [...found, { invariant: 'I3', text: `record ${seq} is output ${record.n}, expected was ${index + 1}` }];
    hash = chainOutput(hash, record, sha256).hash;
    if (record.hash !== hash) return [...found, { invariant: 'I3', text: `the chain breaks at output ${record.n}` }];
    const input = inputs[index];
    if (!input || record.causedBySeq !== input.seq) return [...found, { invariant: 'I5', text: `output ${record.n} answers record ${record.causedBySeq}, the next input is ${input?.seq ?? 'missing'}; it is of epoch ${record.epoch} and says ${JSON.stringify(textOf(record.messages))}` }];
    const due = model.take(textOf(input.record.messages).trimEnd());
    if (textOf(record.messages).trimEnd() !== due) return [...found, { invariant: 'I3', text: `output ${record.n} is "${textOf(record.messages).trimEnd()}", a sequential run gives "${due}"` }];
  }
  if (outs.length !== inputs.length) found.push({ invariant: 'I5', text: `${inputs.length} inputs were accepted, ${outs.length} were applied` });
  return found;
}

/** I4: what a client was told is what the journal says, and each of its requests has one answer. */
function answers(history: readonly HistoryRecord[], seen: readonly SeenAnswer[]): Violation[] {
  const bySeq = new Map(only(history, 'in').map(({ seq, record }) => [seq, record.requestId as string]));
  const byCause = new Map(only(history, 'out').map(({ record }) => [record.causedBySeq, record]));
  return seen.flatMap(({ requestId, seq, answer }): Violation[] => {
    const out = byCause.get(seq);
    if (bySeq.get(seq) !== requestId) return [{ invariant: 'I4', text: `request ${requestId} was acknowledged at ${seq}; the journal has ${bySeq.get(seq) ?? 'nothing'} there` }];
    if (answer === undefined) return [{ invariant: 'I4', text: `request ${requestId} was answered with "none"` }];
    if (out?.n !== answer.n || textOf(out.messages) !== answer.text) return [{ invariant: 'I4', text: `request ${requestId} was answered with output ${answer.n} "${answer.text.trimEnd()}"; the journal has ${out ? `${out.n} "${textOf(out.messages).trimEnd()}"` : 'none'}` }];
    return [];
  });
}

/** I6: every intent has its one outcome, which agrees with it. */
function outcomes(history: readonly HistoryRecord[]): Violation[] {
  const owns = new Map(only(history, 'own').map(({ record }) => [record.epoch, record]));
  const named = new Map<string, OwnRecord>();
  const found: Violation[] = [];
  for (const own of owns.values()) {
    if (own.migration === undefined) continue;
    if (named.has(own.migration)) found.push({ invariant: 'I6', text: `migration ${own.migration} has outcomes in epochs ${named.get(own.migration)!.epoch} and ${own.epoch}` });
    named.set(own.migration, own);
  }
  for (const { record: intent } of only(history, 'intent')) {
    const own = owns.get(intent.epoch + 1);
    if (!own) found.push({ invariant: 'I6', text: `migration ${intent.migration} has no outcome` });
    else if (own.reason === 'committed' && (own.migration !== intent.migration || own.device !== intent.target)) found.push({ invariant: 'I6', text: `epoch ${own.epoch} commits ${own.migration ?? 'nothing'} to ${own.device}, the intent is ${intent.migration} to ${intent.target}` });
    else if ((own.reason === 'rolled-back' || own.reason === 're-granted') && own.device !== intent.source) found.push({ invariant: 'I6', text: `epoch ${own.epoch} is ${own.reason} and goes to ${own.device}, the source is ${intent.source}` });
  }
  return found;
}

const LETTERS: Readonly<Record<OwnRecord['reason'], string>> = { placed: 'P', committed: 'C', 'rolled-back': 'RB', 'failed-over': 'FO', 're-granted': 'RG', retired: 'X' };

/** Changes of the owner behind `afterEpoch`, as in `RB>FO`; `-` when there were none. */
export function pathOf(history: readonly HistoryRecord[], afterEpoch: number): string {
  const owns = only(history, 'own').filter(({ record }) => record.epoch > afterEpoch && record.reason !== 'retired');
  return owns.map(({ record }) => LETTERS[record.reason]).join('>') || '-';
}

/** The longest that a request waited in the journal for its output: an upper bound for how long nobody executed the thread. */
export function longestWaitMs(history: readonly HistoryRecord[]): number {
  const askedAtMs = new Map(only(history, 'in').map(({ seq, atMs }) => [seq, atMs]));
  return only(history, 'out').reduce((longest, { atMs, record }) => Math.max(longest, atMs - (askedAtMs.get(record.causedBySeq) ?? atMs)), 0);
}
