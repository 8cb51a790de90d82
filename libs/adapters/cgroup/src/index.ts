export type { CapacityEnforcer, Knob, KnobName, Throttled } from './capacity-enforcer.js';
export { openEnforcer, type OpenEnforcerOptions } from './open-enforcer.js';
export { kernelFiles, type ControlFiles } from './control-files.js';
export { DutyCycle } from './duty-cycle.js';
export { shareCores, type Capacity, type ThreadDemand } from './share-cores.js';
