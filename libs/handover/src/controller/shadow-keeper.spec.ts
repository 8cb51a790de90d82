import { OperationError, refuse, type DeviceId, type Refusal, type ThreadId } from '@godwit/kernel';
import type { ClusterSnapshot, DeviceView } from '@godwit/decision';
import type { AgentStatus, ShadowStatus } from '@godwit/migration';
import type { OwnRecord } from '@godwit/journal';
import type { ShadowSpec, ThreadSpec } from '@godwit/registry';
import type { AgentCalls } from '../ports.js';
import type { Owners } from './owners.js';
import { ShadowKeeper } from './shadow-keeper.js';
import { placeShadow } from './shadow-place.js';

const T = 't' as ThreadId;
const shadowSpec = (wish: Partial<ShadowSpec> = {}): ShadowSpec => ({ policy: 'continuous', lagLimitMs: 250, placement: 'other-rack', ...wish });
const spec = (wish: Partial<ThreadSpec> = {}): ThreadSpec => ({
  thread: T, runtime: 'wasm', program: 'a', checkpointMs: 5_000, limits: { memoryBytes: 100 }, shadow: shadowSpec(),
  affinity: { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: false }, ...wish,
} as unknown as ThreadSpec);
interface Wish { readonly rack?: string; readonly price?: number; readonly alive?: boolean; readonly draining?: boolean; readonly used?: number; readonly failing?: number; readonly runtimes?: readonly string[] }
const device = (id: string, { rack = 'r1', price = 1, alive = true, draining = false, used = 0, failing = 0, runtimes = ['wasm'] }: Wish = {}): DeviceView => ({
  spec: { device: id, memoryBytes: 1_000, place: { pop: 'p', rack, subnet: '' }, pricePerHour: price, runtimes }, alive, draining, memoryUsedBytes: used, failureProbability: failing,
} as unknown as DeviceView);

describe('placing a shadow', () => {
  const place = (devices: readonly DeviceView[], thread = spec(), declined: readonly string[] = []): DeviceId | Refusal =>
    placeShadow(thread, { snapshot: { devices, threads: [] }, owner: 'own' as DeviceId, shadowBytesOn: () => 0, declined: new Set(declined as DeviceId[]) });
  const own = device('own');
  it.each<[string, readonly DeviceView[], ThreadSpec, string]>([
    ['another rack before the same', [own, device('near', { price: 0 }), device('far', { rack: 'r2', price: 9 })], spec(), 'far'],
    ['the cheapest, where that is asked for', [own, device('near', { price: 0 }), device('far', { rack: 'r2', price: 9 })], spec({ shadow: shadowSpec({ placement: 'cheapest' }) }), 'near'],
    ['the one that is named', [own, device('a', { rack: 'r2' }), device('b')], spec({ shadow: shadowSpec({ placement: 'named', device: 'b' as DeviceId }) }), 'b'],
    ['the emptier of equals', [own, device('a', { used: 500 }), device('b')], spec(), 'b'],
    ['rather not one that will fail', [own, device('a', { rack: 'r2', failing: 0.9 }), device('b')], spec(), 'b'],
    ['only where there is room', [own, device('a', { rack: 'r2', used: 950 }), device('b')], spec(), 'b'],
  ])('takes %s', (_what, devices, thread, expected) => expect(place(devices, thread)).toBe(expected));
  it('says of each device why it is none', () => {
    const devices = [own, device('dead', { alive: false }), device('leaving', { draining: true }), device('other', { runtimes: ['task'] }), device('full', { used: 999 }), device('shy')];
    const refusal = place(devices, spec(), ['shy']);
    expect(refusal).toMatchObject({ refused: true, code: 'no-capacity', field: 'shadow' });
    for (const why of ['own owns it', 'dead does not answer', 'leaving is being drained', 'other does not offer the runtime wasm', 'full has no room', 'shy has just declined']) expect((refusal as Refusal).reason).toContain(why);
  });
  it('keeps a shadow off devices that the thread’s hints forbid, and off those of threads that it must stay apart from', () => {
    const thread = spec({ affinity: { devices: [], avoidDevices: ['a' as DeviceId], nearThreads: [], apartFromThreads: ['u' as ThreadId], pinned: false } });
    const found = placeShadow(thread, { snapshot: { devices: [own, device('a'), device('b'), device('c')], threads: [{ spec: { thread: 'u' }, device: 'b' } as never] }, owner: 'own' as DeviceId, shadowBytesOn: () => 0, declined: new Set() });
    expect(found).toBe('c');
  });
});

/** Agents that hold shadows, and do what they are told. */
function rig(thread: ThreadSpec | undefined, devices: DeviceView[], ownerOf = 'own') {
  const shadows = new Map<string, ShadowStatus>();
  const feeds = new Map<string, string>();
  const told: string[] = [];
  const world = { owner: ownerOf, epoch: 1, reason: 'placed', nowMs: 0, dead: new Set<string>(), declines: new Set<string>(), thread, devices, mute: new Set<string>() };
  let ids = 0;
  const agents = {
    status: async (id: DeviceId) => {
      if (world.mute.has(id)) throw new OperationError('timeout', `${id} is silent`, { effect: 'none' });
      return { device: id, shadows: [...shadows.values()].filter((shadow) => shadow.device === id), threads: id === world.owner ? [{ thread: T, feeds: feeds.get(id) ?? '' }] : [] } as unknown as AgentStatus;
    },
    shadow: async (id: DeviceId, command: { shadow: string; source: DeviceId; epoch: number }) => {
      told.push(`shadow ${id}`);
      if (world.declines.has(id)) return refuse('no-capacity', 'full');
      const before = shadows.get(id);
      shadows.set(id, { thread: T, shadow: command.shadow, device: id, source: command.source, epoch: command.epoch, state: before?.checkpoint ? 'cut-off' : 'waiting', checkpoint: before?.checkpoint ?? 0, digestSha256: '', cursorSeq: 0, outN: 0, lagMs: 0, stateBytes: 0 });
      return { bulkHost: id, bulkPort: 1 };
    },
    feed: async (id: DeviceId, command: { target: DeviceId; checkpointMs: number }) => {
      told.push(`feed ${id} to ${command.target} every ${command.checkpointMs}`);
      feeds.set(id, command.target);
      shadows.set(command.target, { ...shadows.get(command.target)!, state: 'following', checkpoint: 7 });
      return {};
    },
    unshadow: async (id: DeviceId, { shadow }: { shadow: string }) => {
      told.push(`unshadow ${id}`);
      if (shadows.get(id)?.shadow === shadow) shadows.delete(id);
      return {};
    },
  } as unknown as AgentCalls;
  const make = (): ShadowKeeper => new ShadowKeeper({
    agents, owners: { of: () => ({ seq: 1, atMs: 0, record: { device: world.owner, epoch: world.epoch, reason: world.reason } as unknown as OwnRecord }) } as unknown as Owners, clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs },
    ids: { next: (prefix) => `${prefix}-${ids++}` }, log: { info() {}, warn() {}, error() {}, fatal() {} }, registry: () => ({ threads: new Map(world.thread ? [[T, world.thread]] : []) }) as never,
    leased: () => world.devices.filter(({ spec: { device: id } }) => !world.dead.has(id)).map(({ spec: { device: id } }) => id),
    snapshot: () => ({ devices: world.devices.map((one) => ({ ...one, alive: !world.dead.has(one.spec.device) })), threads: [] }) as unknown as ClusterSnapshot, atRest: () => true, secret: () => new Uint8Array(32),
  });
  /** Rounds until nothing is told any more; @returns what was. */
  const settle = async (keeper: ShadowKeeper): Promise<string[]> => {
    told.length = 0;
    for (let quiet = 0; quiet < 2;) {
      const before = told.length;
      await keeper.round();
      await new Promise((resolve) => setImmediate(resolve));
      world.nowMs += 3_000;
      quiet = told.length === before ? quiet + 1 : 0;
    }
    return [...told];
  };
  return { world, shadows, feeds, make, settle };
}
const THREE = (): DeviceView[] => [device('own'), device('far', { rack: 'r2' }), device('near')];

describe('the keeper of shadows', () => {
  it('arranges one, fed as often as its lag limit asks, and then leaves it alone', async () => {
    const { make, settle, shadows } = rig(spec(), THREE());
    expect(await settle(make())).toEqual(['shadow far', 'feed own to far every 250']);
    expect([...shadows.keys()]).toEqual(['far']);
  });
  it('feeds one of the policy interval with the ordinary checkpoints', async () => {
    const { make, settle } = rig(spec({ shadow: shadowSpec({ policy: 'interval' }) }), THREE());
    expect(await settle(make())).toContain('feed own to far every 5000');
  });
  it('arranges none for a thread without the policy, and ends what is there', async () => {
    const { make, settle, shadows, world } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.thread = spec({ shadow: shadowSpec({ policy: 'none' }) });
    expect(await settle(keeper)).toEqual(['unshadow far']);
    expect(shadows.size).toBe(0);
  });
  it('has it fed as often as a new registration asks', async () => {
    const { make, settle, world } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.thread = spec({ shadow: shadowSpec({ lagLimitMs: 900 }) });
    expect(await settle(keeper)).toEqual(['shadow far', 'feed own to far every 900']);
  });
  it('ends the shadow of a thread that has ended', async () => {
    const { make, settle, shadows, world } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.reason = 'retired';
    expect(await settle(keeper)).toEqual(['unshadow far']);
    expect(shadows.size).toBe(0);
  });
  it('ends the shadow of a thread that is registered no more', async () => {
    const { make, settle, shadows, world } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.thread = undefined;
    await settle(keeper);
    expect(shadows.size).toBe(0);
  });
  it('goes on where a controller before it ended', async () => {
    const { make, settle } = rig(spec(), THREE());
    await settle(make());
    expect(await settle(make())).toEqual([]);
  });
  it('arranges another when the device of the shadow dies', async () => {
    const { make, settle, world } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.dead.add('far');
    expect(await settle(keeper)).toEqual(['shadow near', 'feed own to near every 250']);
  });
  it('gives up the one on a device that is drained only when another holds the state', async () => {
    const { make, settle, world, shadows } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.devices[1] = device('far', { rack: 'r2', draining: true });
    expect(await settle(keeper)).toEqual(['shadow near', 'feed own to near every 250', 'unshadow far']);
    expect([...shadows.keys()]).toEqual(['near']);
  });
  it('has it fed by the new owner after a move, and replaced when it became the owner', async () => {
    const { make, settle, world, shadows } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.owner = 'near';
    expect(await settle(keeper)).toEqual(['shadow far', 'feed near to far every 250']);
    world.owner = 'far';
    expect(await settle(keeper)).toEqual(['unshadow far', 'shadow near', 'feed far to near every 250']);
    expect([...shadows.keys()]).toEqual(['near']);
  });
  it('has it fed again when the owner says that it feeds none, or the shadow that it was cut off', async () => {
    const { make, settle, feeds, shadows } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    feeds.delete('own');
    expect(await settle(keeper)).toEqual(['shadow far', 'feed own to far every 250']);
    shadows.set('far', { ...shadows.get('far')!, state: 'cut-off' });
    expect(await settle(keeper)).toEqual(['shadow far', 'feed own to far every 250']);
  });
  it('looks elsewhere when a device declines', async () => {
    const { make, settle, world } = rig(spec(), THREE());
    world.declines.add('far');
    expect((await settle(make())).slice(-2)).toEqual(['shadow near', 'feed own to near every 250']);
  });
  it('knows with which shadow a thread goes on best, and believes one that is silent for a moment', async () => {
    const { make, settle, world } = rig(spec(), THREE());
    const keeper = make();
    await settle(keeper);
    world.mute.add('far');
    await keeper.look();
    expect(keeper.promotable(T, 'own' as DeviceId)).toMatchObject({ device: 'far', checkpoint: 7 });
    expect(keeper.promotable(T, 'far' as DeviceId)).toBeUndefined();
    world.dead.add('far');
    expect(keeper.promotable(T, 'own' as DeviceId)).toBeUndefined();
  });
});
