export { DeviceHealth, type FailureCause, type FailureRisk } from './device-health.js';
