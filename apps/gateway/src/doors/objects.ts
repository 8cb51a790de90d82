/** What the API shows of devices, applications and threads: specs in their JSON mapping, with what is known of them now. */
import type { ApplicationSpec, DeviceSpec, Registry, ThreadSpec } from '@godwit/registry';
import { applicationSpecCodec, deviceSpecCodec } from '@godwit/wire';
import type { ForecastSummary, ForecastView } from '../views/forecast-view.js';
import type { MigrationRecord, MigrationView } from '../views/migration-view.js';
import type { LastSamples, SamplesView } from '../views/samples-view.js';
import type { ShadowsView } from '../views/shadows-view.js';
import type { ThreadEventsView } from '../views/thread-events-view.js';
import type { Owner, Owners } from './owners.js';

type Shown<Spec> = { readonly [Key in keyof Spec]: Spec[Key] };
export type DeviceJson = Shown<DeviceSpec> & {
  /** Threads that it owns, by id. */
  readonly threads: readonly string[];
  readonly samples: LastSamples | null;
  readonly forecasts: readonly ForecastSummary[];
};
export type ThreadState = 'waiting' | 'running' | 'migrating' | 'faulted' | 'ended';
export type ThreadJson = Omit<Shown<ThreadSpec>, 'program'> & {
  readonly programSha256: string;
  /** `waiting`: no device owns it yet. `faulted`: its program failed at its owner. `ended`: its last owner was retired. */
  readonly state: ThreadState;
  readonly fault: { readonly code: string; readonly reason: string; readonly atMs: number } | null;
  readonly owner: { readonly device: string; readonly epoch: number; readonly reason: string; readonly sinceMs: number; readonly checkpoint: number; readonly note: string } | null;
  readonly migration: { readonly migration: string; readonly phase: string; readonly source: string; readonly target: string } | null;
  /** Its standby; null while there is none. `lagMs`: since what it holds was known to be current. */
  readonly shadowStatus: { readonly device: string; readonly state: string; readonly checkpoint: number; readonly lagMs: number; readonly stateBytes: number } | null;
  readonly samples: LastSamples | null;
  readonly forecasts: readonly ForecastSummary[];
};
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins; null when this is the last. */
  readonly next: string | null;
}

/** The JSON mapping of the event's spec, so that what is read can be sent again. */
export const threadSpecJson = ({ program, ...rest }: ThreadSpec): Omit<Shown<ThreadSpec>, 'program'> & { programSha256: string } => ({ ...rest, programSha256: program });

/** Items in the order of their ids. */
function page<Item>(map: ReadonlyMap<string, Item>, { after, limit }: { after: string | undefined; limit: number }): { found: Item[]; next: string | null } {
  const ids = [...map.keys()].sort().filter((id) => after === undefined || id > after);
  const shown = ids.slice(0, limit);
  return { found: shown.map((id) => map.get(id)!), next: ids.length > limit ? shown.at(-1)! : null };
}

export class Objects {
  constructor(
    private readonly source: { readonly registry: Registry }, private readonly owners: Owners, private readonly migrations: MigrationView,
    private readonly samples: SamplesView, private readonly forecasts: ForecastView, private readonly events: ThreadEventsView,
    private readonly shadows: ShadowsView,
  ) {}

  threadSpec(id: string): ThreadSpec | undefined {
    return this.source.registry.threads.get(id as never);
  }

  async devices(range: { after: string | undefined; limit: number }): Promise<Page<DeviceJson>> {
    const { found, next } = page(this.source.registry.devices, range);
    const threads = await this.threadsByDevice();
    return { items: found.map((spec) => this.deviceJson(spec, threads)), next };
  }

  async device(id: string): Promise<DeviceJson | undefined> {
    const spec = this.source.registry.devices.get(id as never);
    return spec && this.deviceJson(spec, await this.threadsByDevice());
  }

  private deviceJson(spec: DeviceSpec, threads: ReadonlyMap<string, readonly string[]>): DeviceJson {
    return {
      ...(deviceSpecCodec.toJson(spec) as DeviceSpec), threads: threads.get(spec.device) ?? [],
      samples: this.samples.device(spec.device) ?? null, forecasts: this.forecasts.summaries('device', spec.device),
    };
  }

  private async threadsByDevice(): Promise<ReadonlyMap<string, readonly string[]>> {
    const specs = [...this.source.registry.threads.values()];
    const owners = await this.owners.of(specs);
    const byDevice = new Map<string, string[]>();
    for (const [i, spec] of specs.entries()) {
      const own = owners[i]?.record;
      if (!own || own.reason === 'retired') continue;
      byDevice.set(own.device, [...(byDevice.get(own.device) ?? []), spec.thread]);
    }
    return byDevice;
  }

  applications(range: { after: string | undefined; limit: number }): Page<ApplicationSpec & { threads: string[] }> {
    const { found, next } = page(this.source.registry.applications, range);
    const threads = [...this.source.registry.threads.values()];
    return {
      items: found.map((spec) => ({ ...(applicationSpecCodec.toJson(spec) as ApplicationSpec), threads: threads.filter(({ application }) => application === spec.application).map(({ thread }) => thread) })),
      next,
    };
  }

  async threads(range: { after: string | undefined; limit: number }): Promise<Page<ThreadJson>> {
    const { found, next } = page(this.source.registry.threads, range);
    const [owners, underWay] = [await this.owners.of(found), this.migrations.underWay()];
    return { items: found.map((spec, i) => this.threadJson(spec, owners[i], underWay)), next };
  }

  async thread(id: string): Promise<ThreadJson | undefined> {
    const spec = this.threadSpec(id);
    return spec && this.threadJson(spec, await this.owners.one(spec), this.migrations.underWay());
  }

  private threadJson(spec: ThreadSpec, owner: Owner, underWay: ReadonlyMap<string, MigrationRecord>): ThreadJson {
    const migration = underWay.get(spec.thread);
    const fault = owner && this.events.fault(spec.thread, owner.record.epoch);
    const shadow = this.shadows.of(spec.thread);
    return {
      ...threadSpecJson(spec),
      state: stateOf(owner, migration, fault !== undefined),
      fault: fault ? { code: fault.code, reason: fault.reason, atMs: fault.atMs } : null,
      owner: owner ? { device: owner.record.device, epoch: owner.record.epoch, reason: owner.record.reason, sinceMs: owner.atMs, checkpoint: owner.record.checkpoint, note: owner.record.note } : null,
      migration: migration ? { migration: migration.migration, phase: migration.phase, source: migration.source, target: migration.target } : null,
      shadowStatus: shadow ? { device: shadow.device, state: shadow.state, checkpoint: shadow.checkpoint, lagMs: Math.round(shadow.lagMs), stateBytes: shadow.stateBytes } : null,
      samples: this.samples.thread(spec.thread) ?? null,
      forecasts: this.forecasts.summaries('thread', spec.thread),
    };
  }
}

function stateOf(owner: Owner, migration: MigrationRecord | undefined, faulted: boolean): ThreadState {
  if (!owner) return 'waiting';
  if (owner.record.reason === 'retired') return 'ended';
  if (faulted) return 'faulted';
  return migration ? 'migrating' : 'running';
}
