export { openDeviceCollectors, DeviceCollectors, type DeviceCollectorsOptions } from './device-collectors.js';
export { COLLECTORS } from './collectors.js';
export type { CollectorContext, CollectorEntry, OpenCollector, Scope } from './context.js';
export { OsThreads, type OsThread } from './os-threads.js';
export { hostFacts, parseCpuList, type HostFacts, type NumaNode } from './host-facts.js';
