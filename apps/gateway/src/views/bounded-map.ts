/** A map that forgets what was set longest ago when it is full: memory stays bounded whatever arrives. */
export class BoundedMap<Key, Value> {
  private readonly entries = new Map<Key, Value>();

  /** @param limit most entries, at least 1. */
  constructor(readonly limit: number) {}

  get size(): number {
    return this.entries.size;
  }

  get(key: Key): Value | undefined {
    return this.entries.get(key);
  }

  /** Sets and makes the entry the newest. */
  set(key: Key, value: Value): void {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.limit) return;
    const oldest = this.entries.keys().next();
    if (!oldest.done) this.entries.delete(oldest.value);
  }

  delete(key: Key): boolean {
    return this.entries.delete(key);
  }

  /** Oldest first. */
  values(): IterableIterator<Value> {
    return this.entries.values();
  }

  /** Newest first, at most `limit` that `wanted` accepts. */
  newest(limit: number, wanted: (value: Value) => boolean = () => true): Value[] {
    const found: Value[] = [];
    const all = [...this.entries.values()];
    for (let i = all.length - 1; i >= 0 && found.length < limit; i--) {
      if (wanted(all[i]!)) found.push(all[i]!);
    }
    return found;
  }
}
