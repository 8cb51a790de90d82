/**
 * Loaded into a service by NODE_OPTIONS: its wall clock can be made to jump. On SIGUSR2 the shift in milliseconds is read
 * from the file that CHAOS_CLOCK_FILE names. The monotonic clock stays as it is, as on a machine whose date is set.
 */
import { readFileSync } from 'node:fs';

const file = process.env.CHAOS_CLOCK_FILE;
if (file !== undefined) {
  const TrueDate = Date;
  let shiftMs = 0;
  const now = () => TrueDate.now() + shiftMs;
  globalThis.Date = class Date extends TrueDate {
    constructor(...given) {
      if (given.length === 0) super(now());
      else super(...given);
    }
    static now() {
      return now();
    }
  };
  process.on('SIGUSR2', () => {
    shiftMs = Number(readFileSync(file, 'utf8'));
  });
}
