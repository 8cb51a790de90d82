/** Which parts a thread's checkpoints are made of: a base, deltas upon it, and when the next base is due. */
import type { CheckpointPart } from '@godwit/journal';

export interface ChainLimits {
  /** Deltas upon one base: a restore reads them all. */
  readonly mostDeltas: number;
  /** Bytes of the deltas together, as a share of the base's. */
  readonly mostDeltaRatio: number;
}
export const DEFAULT_CHAIN: ChainLimits = { mostDeltas: 16, mostDeltaRatio: 0.5 };

export class CheckpointChain {
  private parts: readonly CheckpointPart[] = [];

  constructor(private readonly limits: ChainLimits) {}

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  /** The checkpoint that the next one may be a delta upon; 0 where a base is due. */
  parent(): number {
    const [base, ...deltas] = this.parts;
    if (!base || deltas.length >= this.limits.mostDeltas) return 0;
    return deltas.reduce((sum, { bytes }) => sum + bytes, 0) > base.bytes * this.limits.mostDeltaRatio ? 0 : this.parts.at(-1)!.k;
  }

  /** Where checkpoint `k` begins. @param parent 0: it is a base itself */
  baseFor(k: number, parent: number): number {
    return parent === 0 ? k : this.parts[0]!.k;
  }

  /** What the manifest names when `part` is written. */
  with(part: CheckpointPart, parent: number): readonly CheckpointPart[] {
    return parent === 0 ? [part] : [...this.parts, part];
  }
  /** Those are durable. */
  continues(parts: readonly CheckpointPart[]): void {
    this.parts = parts;
  }
  /** It is not known what became of the last one: nothing can rest upon it. */
  break(): void {
    this.parts = [];
  }
}
