/**
 * Loaded into each service by `--import`: ends the service when the channel to the process that started it closes, however
 * that process ended (SIGKILL included; Node cannot set PR_SET_PDEATHSIG). Plain JavaScript, since it runs before any build.
 */
import { isMainThread } from 'node:worker_threads';

/** Time for an orderly end. The servers end at the same moment, so there is little left to save. */
const GRACE_MS = 3_000;

if (isMainThread && process.channel) {
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), GRACE_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  });
  // The listener alone must not keep a service alive that has nothing left to do.
  process.channel.unref();
}
