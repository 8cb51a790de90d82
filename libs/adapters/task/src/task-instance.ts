/**
 * One thread, from the main thread's side: its life (staged, running, frozen, …), the numbers and hashes of its outputs,
 * its limits. All code of the program runs in the worker; nothing here waits for it without a bound.
 */
import { assert, isRefusal, refuse, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import type { InputRecord, RuntimeEvents, RuntimeSample, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { CHAIN_START, chainOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { COUNTERS, type Answer, type ProgramIdentity, type Report, type UnchainedOutput } from './protocol.js';
import { fromSections, toSections } from './snapshot-sections.js';
import { Watchdog } from './watchdog.js';
import { WorkerHost, type WorkerOptions } from './worker-host.js';

/** Message kinds come from outside: more of them than this are counted together. */
const MOST_TRACES = 256;
/** The watchdog counts CPU; this bounds a freeze on a machine that gives the thread none, as a multiple of its limit. */
const FREEZE_WALL_FACTOR = 20;
const FREEZE_WALL_LEAST_MS = 2_000;

type Life = 'staged' | 'starting' | 'running' | 'freezing' | 'frozen' | 'faulted' | 'stopped';

export interface TaskInstanceOptions {
  readonly program: ThreadProgram;
  readonly worker: WorkerOptions;
  readonly events: RuntimeEvents;
  readonly sha256: Sha256Of;
  onLog(text: string): void;
}

export class TaskInstance implements ThreadInstance {
  private readonly host: WorkerHost;
  private readonly watchdog: Watchdog;
  private identity: ProgramIdentity | undefined;
  private life: Life = 'staged';
  private fault: Refusal | undefined;
  private outN = 0;
  private chainHash: Sha256 = CHAIN_START;
  private readonly traces = new Map<string, number>();
  private freezing: Promise<void | Refusal> | undefined;

  constructor(private readonly options: TaskInstanceOptions) {
    const { safepointMs } = options.program.limits;
    this.host = new WorkerHost(options.worker, {
      onReport: (report) => this.hear(report),
      onFault: (fault) => this.fail(fault),
    });
    this.watchdog = new Watchdog(this.host, safepointMs, (cpuMs) => {
      this.host.fail(refuse('limit-exceeded', `the program ran ${Math.round(cpuMs)} ms of CPU without reaching a safepoint; its limit is ${safepointMs} ms`, 'limits.safepointMs'));
    });
  }

  /** Waits until the program is loaded. An instance that is refused is stopped already. */
  async load(): Promise<void | Refusal> {
    const loaded = await this.host.loaded();
    if (isRefusal(loaded)) {
      await this.stop();
      return loaded;
    }
    this.identity = loaded;
    this.watchdog.start();
  }

  async start(): Promise<void | Refusal> {
    const refused = this.expect('start', 'staged');
    if (refused) return refused;
    this.life = 'starting';
    const answer = await this.host.request({ type: 'start' });
    if (isRefusal(answer)) return this.backTo('staged', answer);
    this.goTo('running');
  }

  async restore(snapshot: ThreadSnapshot): Promise<void | Refusal> {
    const refused = this.expect('restore', 'staged') ?? this.foreign(snapshot);
    if (refused) return refused;
    assert(this.identity, 'a staged task is loaded');
    const from = fromSections(snapshot, this.identity);
    if (isRefusal(from)) return from;
    this.life = 'starting';
    const answer = await this.host.request({ type: 'restore', from });
    if (isRefusal(answer)) return this.backTo('staged', answer);
    this.outN = snapshot.outN;
    this.chainHash = snapshot.chainHash;
    this.goTo('frozen');
  }

  private foreign(snapshot: ThreadSnapshot): Refusal | undefined {
    const { thread, sha256 } = this.options.program;
    const no = (field: 'thread' | 'runtime' | 'program', here: string): Refusal =>
      refuse('conflict', `the snapshot's ${field} is ${snapshot[field]}, but here it is ${here}`, field);
    if (snapshot.runtime !== 'task') return no('runtime', 'task');
    if (snapshot.thread !== thread) return no('thread', thread);
    return snapshot.program === sha256 ? undefined : no('program', sha256);
  }

  feed(records: readonly InputRecord[]): void {
    // Before a freeze resolves they are dropped, like those that were queued; whoever resumes feeds again.
    if (this.life === 'freezing' || this.life === 'faulted' || this.life === 'stopped') return;
    this.host.send({ type: 'feed', records });
  }

  freeze(): Promise<void | Refusal> {
    if (this.life === 'frozen') return Promise.resolve();
    this.freezing ??= this.performFreeze().finally(() => { this.freezing = undefined; });
    return this.freezing;
  }

  private async performFreeze(): Promise<void | Refusal> {
    const refused = this.expect('freeze', 'running');
    if (refused) return refused;
    this.life = 'freezing';
    const { safepointMs } = this.options.program.limits;
    const wallMs = Math.max(FREEZE_WALL_LEAST_MS, FREEZE_WALL_FACTOR * safepointMs);
    const timer = setTimeout(() => this.host.fail(refuse('limit-exceeded', `the program reached no safepoint within ${wallMs} ms`, 'limits.safepointMs')), wallMs);
    try {
      const answer = await this.host.request({ type: 'freeze' });
      if (isRefusal(answer)) return answer;
      this.goTo('frozen');
    } finally {
      clearTimeout(timer);
    }
  }

  async snapshot(): Promise<ThreadSnapshot | Refusal> {
    const refused = this.expect('snapshot', 'frozen');
    if (refused) return refused;
    const state: Answer = await this.host.request({ type: 'snapshot' });
    if (isRefusal(state)) return state;
    assert(state !== 'done' && this.identity, 'the worker answers a snapshot with its state');
    const { thread, sha256 } = this.options.program;
    return {
      thread, runtime: 'task', program: sha256, cursorSeq: state.cursorSeq, outN: this.outN, chainHash: this.chainHash,
      clock: { recordMs: state.recordMs, polls: state.clockPolls }, random: state.random, pendingOutputs: [], sections: toSections(this.identity, state),
    };
  }

  resume(): void {
    if (this.life !== 'frozen') return;
    this.life = 'running';
    this.host.send({ type: 'resume' });
  }

  setDuty(ratio: number): void {
    if (!(ratio > 0 && ratio <= 1)) throw new RangeError(`setDuty: ratio must be above 0 and at most 1, but is ${ratio}`);
    this.host.send({ type: 'duty', ratio });
  }

  sample(): RuntimeSample {
    const { counters } = this.host;
    const read = (at: number): number => counters[at]!;
    return {
      cpuSeconds: read(COUNTERS.cpuSeconds), polls: read(COUNTERS.polls), heldSeconds: read(COUNTERS.heldSeconds),
      stateBytes: read(COUNTERS.stateBytes), consumedRecords: read(COUNTERS.consumedRecords), traces: Object.fromEntries(this.traces),
    };
  }

  async stop(): Promise<void> {
    this.life = 'stopped';
    this.watchdog.stop();
    await this.host.stop();
  }

  private expect(action: string, wanted: Life): Refusal | undefined {
    if (this.life === wanted) return undefined;
    return this.fault ?? refuse('conflict', `${action} needs a thread that is ${wanted}, and this one is ${this.life}`);
  }

  /** A fault or a stop that came meanwhile stays. */
  private goTo(life: Life): void {
    if (this.life === 'starting' || this.life === 'freezing') this.life = life;
  }

  private backTo(life: Life, refusal: Refusal): Refusal {
    this.goTo(life);
    return refusal;
  }

  private hear(report: Extract<Report, { type: 'progress' | 'log' }>): void {
    if (report.type === 'log') return this.options.onLog(report.text);
    for (const [trace, count] of Object.entries(report.traces)) this.count(trace, count);
    if (report.consumedSeq !== undefined) this.options.events.onConsumed(report.consumedSeq);
    for (const output of report.outputs) this.deliver(output);
  }

  private count(trace: string, count: number): void {
    const name = this.traces.has(trace) || this.traces.size < MOST_TRACES ? trace : 'kind:*';
    this.traces.set(name, (this.traces.get(name) ?? 0) + count);
  }

  private deliver(unchained: UnchainedOutput): void {
    // Views of this realm's own, whatever realm the worker's messages were rebuilt in.
    const messages = unchained.messages.map(({ kind, payload }) => ({ kind, payload: new Uint8Array(payload.buffer, payload.byteOffset, payload.length) }));
    const output = chainOutput(this.chainHash, { ...unchained, messages, n: this.outN + 1 }, this.options.sha256);
    this.outN = output.n;
    this.chainHash = output.hash;
    const { events } = this.options;
    events.onOutput(output);
    if (output.exit) events.onExit(output.exit.code);
  }

  private fail(fault: Refusal): void {
    // Before it is loaded, or after it was stopped, the caller has its answer already.
    const silent = this.identity === undefined || this.life === 'stopped';
    this.watchdog.stop();
    this.fault = fault;
    if (this.life !== 'stopped') this.life = 'faulted';
    if (!silent) this.options.events.onFault(fault);
  }
}
