/** Programs by their SHA-256, and what was derived from them (instrumented modules) by name, in an object store. */
import { isId, isSha256, OperationError, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import { jetstream } from '@nats-io/jetstream';
import { Objm, StorageType, type ObjectStore } from '@nats-io/obj';
import { createHash } from 'node:crypto';
import { failingAs, NATS_TIMEOUTS, type NatsLink } from './connection.js';
import { tenantName } from './streams.js';

export interface Programs {
  /** Stores it under its digest, once. */
  put(bytes: Uint8Array): Promise<Sha256>;
  /** Undefined when there is none. @throws OperationError `digest-mismatch` when the bytes are not those of the name. */
  get(program: Sha256): Promise<Uint8Array | undefined>;
  /** @param name what was derived and by which version, such as `migratable-3`; `[a-z0-9-]{1,64}`. Replaces an older one. */
  putDerived(program: Sha256, name: string, bytes: Uint8Array): Promise<void | Refusal>;
  getDerived(program: Sha256, name: string): Promise<Uint8Array | undefined | Refusal>;
}

export const sha256Of = (bytes: Uint8Array): Sha256 => createHash('sha256').update(bytes).digest('hex') as Sha256;

/** @throws OperationError */
export async function openPrograms(link: NatsLink, options: { readonly replicas?: 1 | 3; readonly prefix?: string } = {}): Promise<Programs> {
  const name = tenantName('GODWIT_PROGRAMS', options.prefix);
  const store = await failingAs(`object store ${name}`, () => new Objm(jetstream(link.nc, { timeout: NATS_TIMEOUTS.appendAttemptMs }))
    .create(name, { storage: StorageType.File, replicas: options.replicas ?? 1, description: 'Programs by SHA-256' }));
  return new ProgramStore(store);
}

class ProgramStore implements Programs {
  constructor(private readonly store: ObjectStore) {}

  async put(bytes: Uint8Array): Promise<Sha256> {
    const program = sha256Of(bytes);
    await failingAs(`program ${program}`, async () => {
      const there = await this.store.info(program);
      if (!there || there.deleted || there.size !== bytes.length) await this.store.putBlob({ name: program }, bytes);
    });
    return program;
  }

  async get(program: Sha256): Promise<Uint8Array | undefined> {
    const bytes = await this.read(program);
    if (!bytes) return undefined;
    const found = sha256Of(bytes);
    if (found === program) return bytes;
    throw new OperationError('digest-mismatch', `program ${program}: the object store holds bytes with digest ${found}`, { effect: 'none' });
  }

  async putDerived(program: Sha256, name: string, bytes: Uint8Array): Promise<void | Refusal> {
    const object = derivedName(program, name);
    if (typeof object !== 'string') return object;
    await failingAs(object, () => this.store.putBlob({ name: object }, bytes));
  }

  async getDerived(program: Sha256, name: string): Promise<Uint8Array | undefined | Refusal> {
    const object = derivedName(program, name);
    return typeof object === 'string' ? this.read(object) : object;
  }

  /** The object store compares the bytes with the digest that it noted when they were put. */
  private async read(object: string): Promise<Uint8Array | undefined> {
    return (await failingAs(object, () => this.store.getBlob(object))) ?? undefined;
  }
}

function derivedName(program: Sha256, name: string): string | Refusal {
  if (!isSha256(program)) return refuse('invalid-field', 'program: 64 lower-case hexadecimal digits expected', 'program');
  if (!isId(name)) return refuse('invalid-field', 'name: must be 1 to 64 of a-z, 0-9 and -', 'name');
  return `${program}.${name}`;
}
