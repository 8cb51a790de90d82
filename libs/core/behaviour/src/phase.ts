import { DemandProfile } from './demand-profile.js';
import { Dwell } from './dwell.js';
import { Emission } from './emission.js';

/** Most phases that are told apart in one thread. */
export const MOST_PHASES = 8;

/** All that is learnt of one phase. Made once and used again, so that learning allocates nothing. */
export class Phase {
  used = false;
  readonly emission = new Emission();
  readonly dwell = new Dwell();
  readonly demand = new DemandProfile();
  /** Discounted switches from here to each phase. */
  readonly switches = new Float64Array(MOST_PHASES);
  /** Probability to be in it now, 0..1. */
  probability = 0;
  /** Expected number of steps since it was entered, where it is the present one. */
  ageSteps = 0;
  /** Step number at which it was last the present one. */
  lastSeenStep = 0;

  restart(): void {
    this.used = true;
    this.dwell.restart();
    this.demand.restart();
    this.switches.fill(0);
    this.probability = 0;
    this.ageSteps = 0;
  }
}
