export { startLocal, type LocalGodwit, type LocalServerProcess, type LocalService } from './local-godwit.js';
export { repositoryRoot, type LocalOptions } from './options.js';
export { claimableCores, DEFAULT_DEVICES, MAX_LOCAL_DEVICES, parseDevices } from './devices.js';
export { readEndpoint, type Endpoint } from './data-folder.js';
export { POLICIES, type Policy, type ServiceEnv } from './service-plan.js';
export type { SupervisedState } from './supervised.js';
