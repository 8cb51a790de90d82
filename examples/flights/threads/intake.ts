/** Takes raw rows as they come in, refuses what is none, numbers the rest and passes them on as short lines. */
import { defineThread, jsonCodec } from '@godwit/sdk';

export interface Intake {
  /** Flights passed on so far: the newest number given. */
  accepted: number;
  rejected: number;
}

const ROW = /^(\d{4})\/(\d{2})\/(\d{2}) ([01]\d|2[0-3]):([0-5]\d),(-?\d{1,4}),(\d{1,5}),([A-Z]{3}),([A-Z]{3})$/;

/** `id,minute,delay,distance,FROM,TO`, or nothing when the row is no flight. */
export function normalise(row: string, id: number): string | undefined {
  const found = ROW.exec(row.trim());
  if (!found) return undefined;
  const [, , , , hour, minute, delay, distance, from, to] = found;
  if (from === to || Number(distance) === 0) return undefined;
  return `${id},${Number(hour) * 60 + Number(minute)},${Number(delay)},${Number(distance)},${from},${to}`;
}

export default defineThread<Intake>({
  name: 'intake',
  version: '1.0.0',
  deterministic: true,
  codec: jsonCodec(),
  initial: () => ({ accepted: 0, rejected: 0 }),
  onMessage(ctx, message, state) {
    const lines: string[] = [];
    for (const row of new TextDecoder().decode(message.payload).split('\n')) {
      if (row === '') continue;
      const line = normalise(row, state.accepted + 1);
      if (line === undefined) {
        state.rejected++;
        ctx.log(`not a flight: ${row.slice(0, 80)}`);
      } else {
        state.accepted++;
        lines.push(line);
      }
    }
    if (lines.length > 0) ctx.emit('flights', new TextEncoder().encode(`${lines.join('\n')}\n`));
  },
  onEnd: (ctx, state) => ctx.log(`${state.accepted} flights passed on, ${state.rejected} rows rejected`),
});
