export { ProcessRuntime, DEFAULT_ROOT, userIdOf, type ProcessRuntimeOptions } from './process-runtime.js';
export { processCapability, type ProcessCapability } from './capability.js';
export { criuFor, type CriuPeer, type PeerMove } from './criu-peer.js';
export { runtimesFrom, settingOf } from './setting.js';
export { judgeFormat } from './program-store.js';
export type { CriuCommand } from './command.js';
