/**
 * Turns the counters of one step (any names, any number) into a composition of fixed size: the heaviest names have a slot of
 * their own, all others share a few slots by hash. A slot whose name fell silent goes to a name that became heavy.
 */

/** What the runner counted of one site, function, message kind or loop within a step. */
export interface Counter {
  readonly name: string;
  /** Whole, ≥ 0; what is not finite or negative counts as 0. */
  readonly count: number;
}

const NAMED_SLOTS = 24;
const SHARED_SLOTS = 8;
export const SLOTS = NAMED_SLOTS + SHARED_SLOTS;
/** Share of a slot's usage kept per step. */
const KEEP_RATIO = 0.99;
/** A name with more than this share of a step may take the slot of one that is used less than `SILENT_RATIO`. */
const HEAVY_RATIO = 0.05;
const SILENT_RATIO = 0.002;
/** Longer names are told apart by their first characters only; a trace label is read by people. */
const MOST_NAME_CHARACTERS = 128;

export class SiteTable {
  private readonly names: (string | undefined)[] = new Array<string | undefined>(NAMED_SLOTS).fill(undefined);
  private readonly slotOf = new Map<string, number>();
  private readonly usage = new Float64Array(NAMED_SLOTS);

  /** @param onReuse told when a slot gets another name, so that what was learnt of the old one is forgotten. */
  constructor(private readonly onReuse: (slot: number) => void) {}

  /** Writes each slot's share of the step (they add up to 1, or are all 0) into `shares`; answers the sum of the counts. */
  read(counters: Iterable<Counter>, shares: Float64Array): number {
    shares.fill(0);
    let total = 0;
    let strangerCount = 0;
    let stranger: string | undefined;
    for (const { name, count } of counters) {
      if (!(count > 0) || !Number.isFinite(count)) continue;
      const known = this.slot(name);
      const slot = known ?? NAMED_SLOTS + (hash(name) % SHARED_SLOTS);
      shares[slot] = shares[slot]! + count;
      total += count;
      if (known === undefined && count > strangerCount) {
        strangerCount = count;
        stranger = name;
      }
    }
    if (!(total > 0) || !Number.isFinite(total)) {
      shares.fill(0);
      return 0;
    }
    for (let i = 0; i < SLOTS; i++) shares[i] = shares[i]! / total;
    if (stranger !== undefined && strangerCount > HEAVY_RATIO * total) this.give(stranger, strangerCount / total, shares);
    for (let i = 0; i < NAMED_SLOTS; i++) this.usage[i] = this.usage[i]! * KEEP_RATIO + (1 - KEEP_RATIO) * shares[i]!;
    return total;
  }

  /** The name that a slot stands for; the shared ones have none. */
  nameOf(slot: number): string {
    return this.names[slot] ?? 'other sites';
  }

  /** Slot of a name that has one, or that gets one because one is free. */
  private slot(name: string): number | undefined {
    const known = this.slotOf.get(name.slice(0, MOST_NAME_CHARACTERS));
    if (known !== undefined || this.slotOf.size >= NAMED_SLOTS) return known;
    return this.assign(this.names.indexOf(undefined), name);
  }

  private give(name: string, share: number, shares: Float64Array): void {
    let least = 0;
    for (let i = 1; i < NAMED_SLOTS; i++) if (this.usage[i]! < this.usage[least]!) least = i;
    if (this.usage[least]! > SILENT_RATIO || shares[least]! > 0) return;
    this.slotOf.delete(this.names[least]!);
    this.assign(least, name);
    this.onReuse(least);
    const shared = NAMED_SLOTS + (hash(name) % SHARED_SLOTS);
    shares[shared] = Math.max(0, shares[shared]! - share);
    shares[least] = share;
  }

  private assign(slot: number, name: string): number {
    const key = name.slice(0, MOST_NAME_CHARACTERS);
    this.names[slot] = key;
    this.slotOf.set(key, slot);
    // As if used of late: a name that has just come must not be the first to go.
    this.usage[slot] = HEAVY_RATIO;
    return slot;
  }
}

/** FNV-1a. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < Math.min(name.length, MOST_NAME_CHARACTERS); i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
