export { ThreadPerformance, type PerformanceAt, type PerformanceBasis, type PerformanceReading, type PredictedPerformance } from './thread-performance.js';
