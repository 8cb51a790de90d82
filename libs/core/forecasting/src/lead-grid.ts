/** Powers of two up to `maxSteps`: the leads at which errors and losses are tracked. */
export function trackedLeads(maxSteps: number): Int32Array {
  const leads: number[] = [];
  for (let lead = 1; lead <= maxSteps; lead *= 2) leads.push(lead);
  return Int32Array.from(leads);
}

/** Forecasts of one lead that are followed up at a time, at most. */
const STEPS_FOLLOWED = 16;

/**
 * Where a lead lies between the tracked leads, on a scale of octaves: at `below[lead]` + `share[lead]`. Looked up, since every
 * cell of every forecast asks. Leads from the longest tracked one on lie at the last tracked lead, with share 0.
 */
export class LeadGrid {
  readonly leads: Int32Array;
  readonly top: number;
  readonly longest: number;
  /** Per tracked lead, how many steps lie between forecasts that are followed up: neighbours at a long lead tell the same. */
  readonly strides: Int32Array;
  private readonly belowOf: Uint8Array;
  private readonly shareOf: Float64Array;

  constructor(maxSteps: number) {
    this.leads = trackedLeads(maxSteps);
    this.top = this.leads.length - 1;
    this.longest = this.leads[this.top]!;
    this.strides = this.leads.map((lead) => Math.max(1, lead / STEPS_FOLLOWED));
    this.belowOf = new Uint8Array(this.longest + 1);
    this.shareOf = new Float64Array(this.longest + 1);
    for (let lead = 1; lead <= this.longest; lead++) {
      const place = Math.log2(lead);
      this.belowOf[lead] = Math.floor(place);
      this.shareOf[lead] = place - Math.floor(place);
    }
  }

  /** Index of the nearest tracked lead that is not longer. */
  below(lead: number): number {
    return lead >= this.longest ? this.top : this.belowOf[lead]!;
  }

  /** Share of the way to the next tracked lead, 0..1. */
  share(lead: number): number {
    return lead >= this.longest ? 0 : this.shareOf[lead]!;
  }
}
