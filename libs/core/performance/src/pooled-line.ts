/**
 * y = a(device) + b·x for one thread on many devices, with one slope for all and an intercept for each.
 *
 * The slope is learnt from what changes within a device, never from how devices differ: a slow device that happens to be busy
 * would look like a steep curve. Intercepts are shrunken: a device with little history leans on those of its kind, a kind with
 * little on all others. Everything is discounted, so that a thread that changes is followed.
 */

/** Share kept of a device's past at each reading: half forgotten after 140. */
const KEEP_RATIO = 0.995;
/** Readings of its own at which a device counts as much as its kind does for it; and devices at which a kind counts as much as all. */
const OWN_READINGS = 10;
const OWN_DEVICES = 0.5;
/** What the assumed slope counts, in units of Σ (x - mean x)². */
const PRIOR_WEIGHT = 2;
const MOST_DEVICES = 32;

interface Line {
  kind: string;
  /** Order of the newest reading; the least recent makes room. */
  turn: number;
  count: number;
  meanX: number;
  meanY: number;
  sumXX: number;
  sumXY: number;
}

export type Basis = 'device' | 'kind' | 'other';

export class PooledLine {
  private readonly lines = new Map<string, Line>();
  private turn = 0;

  /** @param priorSlope what the slope is taken for before it is learnt. */
  constructor(private readonly priorSlope: number) {}

  learn(device: string, kind: string, x: number, y: number): void {
    const line = this.lineOf(device);
    line.kind = kind;
    line.turn = this.turn++;
    line.count = line.count * KEEP_RATIO + 1;
    line.sumXX *= KEEP_RATIO;
    line.sumXY *= KEEP_RATIO;
    const [awayX, awayY] = [x - line.meanX, y - line.meanY];
    line.meanX += awayX / line.count;
    line.meanY += awayY / line.count;
    line.sumXX += awayX * (x - line.meanX);
    line.sumXY += awayX * (y - line.meanY);
  }

  /** Undefined before anything was learnt anywhere. `readings` are those of the basis, discounted. */
  predict(device: string, kind: string, x: number): { readonly y: number; readonly basis: Basis; readonly readings: number } | undefined {
    if (this.lines.size === 0) return undefined;
    const slope = this.slope();
    const all = this.level(slope, () => true)!;
    const alike = this.level(slope, (line) => line.kind === kind);
    const ofKind = alike === undefined ? all.level : (alike.weight * alike.level + OWN_DEVICES * all.level) / (alike.weight + OWN_DEVICES);
    const own = this.lines.get(device);
    if (own === undefined) return { y: ofKind + slope * x, basis: alike === undefined ? 'other' : 'kind', readings: (alike ?? all).readings };
    const level = (own.count * (own.meanY - slope * own.meanX) + OWN_READINGS * ofKind) / (own.count + OWN_READINGS);
    return { y: level + slope * x, basis: 'device', readings: own.count };
  }

  private slope(): number {
    let [sumXX, sumXY] = [PRIOR_WEIGHT, PRIOR_WEIGHT * this.priorSlope];
    for (const line of this.lines.values()) {
      sumXX += line.sumXX;
      sumXY += line.sumXY;
    }
    return sumXY / sumXX;
  }

  /** The mean intercept of the devices that fit; one with little history counts little. */
  private level(slope: number, fits: (line: Line) => boolean): { level: number; weight: number; readings: number } | undefined {
    let [weight, sum, readings] = [0, 0, 0];
    for (const line of this.lines.values()) {
      if (!fits(line)) continue;
      const counts = line.count / (line.count + OWN_READINGS);
      weight += counts;
      sum += counts * (line.meanY - slope * line.meanX);
      readings += line.count;
    }
    return weight > 0 ? { level: sum / weight, weight, readings } : undefined;
  }

  private lineOf(device: string): Line {
    const known = this.lines.get(device);
    if (known !== undefined) return known;
    if (this.lines.size >= MOST_DEVICES) {
      const [oldest] = [...this.lines].reduce((a, b) => (b[1].turn < a[1].turn ? b : a));
      this.lines.delete(oldest);
    }
    const line: Line = { kind: '', turn: 0, count: 0, meanX: 0, meanY: 0, sumXX: 0, sumXY: 0 };
    this.lines.set(device, line);
    return line;
  }
}
