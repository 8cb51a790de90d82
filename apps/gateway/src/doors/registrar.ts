/** Registration through the gateway: the event is published as anyone may publish it, and the controller's verdict is awaited. */
import { OperationError, type DurationMs } from '@godwit/kernel';
import type { RegistryEvent } from '@godwit/registry';
import { encodeEvent, eventId, SUBJECTS } from '@godwit/wire';
import type { NatsLink } from '@godwit/nats';
import { RefusedError } from '../http/refused.js';
import { refusalOfVerdict, type JudgedEvent, type Verdicts } from '../views/verdicts.js';

export const REGISTRATION_TIMEOUTS = { publishMs: 5_000, verdictMs: 15_000 } as const;

export class Registrar {
  constructor(private readonly link: NatsLink, private readonly verdicts: Verdicts, private readonly verdictMs: DurationMs = REGISTRATION_TIMEOUTS.verdictMs) {}

  /**
   * Resolves when the event has effect, in our own fold too.
   * @throws RefusedError with the controller's reason; OperationError `timeout`, effect `unknown`, when it stays silent.
   */
  async submit(event: RegistryEvent): Promise<void> {
    const verdict = await this.verdicts.of(await this.publish(event), this.verdictMs);
    const refusal = refusalOfVerdict(verdict);
    if (refusal) throw new RefusedError(refusal);
  }

  private async publish(event: RegistryEvent): Promise<JudgedEvent> {
    const id = eventId(event);
    const subject = SUBJECTS.registryEvent(event.event, id);
    const reply = await this.link.request(subject, encodeEvent(event), { timeoutMs: REGISTRATION_TIMEOUTS.publishMs });
    const ack = JSON.parse(Buffer.from(reply).toString('utf8')) as { seq?: number; error?: { description: string } };
    if (ack.error || ack.seq === undefined) {
      throw new OperationError('connection-lost', `the broker did not store ${subject}: ${ack.error?.description ?? 'no sequence in its answer'}`, { effect: 'none' });
    }
    return { eventSeq: ack.seq, event: event.event, id };
  }
}
