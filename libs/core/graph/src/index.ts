export {
  age, declareSubscriptions, edgesOf, emptyGraph, GRAPH_LIMITS, observe, ratesAt, withoutThread,
  type DependencyGraph, type Edge, type GraphLimits, type ObservedEdge, type Rates,
} from './graph.js';
export { dependencies, dependents } from './dependents.js';
export { criticalPath, stronglyConnected, type CriticalPath } from './critical-path.js';
export { communicationWeight, cutBytesPerSecond, neighbours } from './communication.js';
