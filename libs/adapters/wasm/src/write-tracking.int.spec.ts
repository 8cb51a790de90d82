import { afterEach, describe, expect, it } from '@jest/globals';
import type { LiveImage } from '@godwit/runtime';
import { ContractRun, granted } from '@godwit/testing';
import { CARD_BYTES } from './abi.js';
import { TRACKED_FROM_BYTES } from './rewrite.js';
import { compiled, inputs, programOf, RIG_LIMITS } from './wasm-rig.js';
import { wasmRuntime } from './wasm-runtime.js';

const LARGE = { limits: { ...RIG_LIMITS, memoryBytes: TRACKED_FROM_BYTES * 2 } };
const TIMEOUT_MS = 240_000;
const FREEZES = 8;
const LOOKS = 3;

/** Keeps a copy of an image by looking only at what it tells to be written. */
class Follower {
  private copy = Buffer.alloc(0);
  looked = 0;
  constructor(private readonly image: LiveImage) {}

  async look(): Promise<Buffer> {
    const written = this.image.written!();
    const live = Buffer.from(granted(await this.image.view()));
    if (!written) this.copy = Buffer.from(live);
    else if (live.length > this.copy.length) this.copy = Buffer.concat([this.copy, Buffer.alloc(live.length - this.copy.length)]);
    for (let block = 0; written && block * CARD_BYTES < live.length; block++) {
      if (!(written[block >> 3]! & (1 << (block & 7)))) continue;
      this.looked++;
      live.copy(this.copy, block * CARD_BYTES, block * CARD_BYTES, (block + 1) * CARD_BYTES);
    }
    return this.copy;
  }
}

describe('a thread whose writes are tracked', () => {
  const runs: ContractRun[] = [];
  afterEach(async () => { for (const run of runs.splice(0)) await run.stop(); });
  const started = async (run: ContractRun): Promise<Follower> => {
    runs.push(run);
    await run.start();
    const { image } = run.thread;
    if (!image?.written) throw new Error('its runtime does not track writes');
    return new Follower(image);
  };
  /** Frozen: what was followed is the memory, byte by byte. */
  const expectFollowed = async (run: ContractRun, follower: Follower): Promise<void> => {
    await run.freeze();
    const [copy, live] = [await follower.look(), Buffer.from(granted(await run.thread.image!.view()))];
    expect(copy.length).toBe(live.length);
    expect(copy.compare(live)).toBe(0);
  };

  it('can be followed by what it tells, while it rewrites its memory and lets it grow without pause', async () => {
    const run = new ContractRun(wasmRuntime(), await programOf(await compiled('memory', ['-DROUNDS=400']), LARGE), []);
    const follower = await started(run);
    run.thread.setDuty(0.05);
    for (let freeze = 0; freeze < FREEZES && !run.ended; freeze++) {
      for (let look = 0; look < LOOKS; look++) {
        await run.progress();
        await follower.look();
      }
      await expectFollowed(run, follower);
      run.thread.resume();
    }
    expect(follower.looked).toBeGreaterThan(FREEZES);
    expect(run.faults).toEqual([]);
  }, TIMEOUT_MS);

  it('tells what the host writes for it: its inputs, the time, random numbers', async () => {
    const records = inputs('a line\n', 'another\nand a third\n', 'four\n');
    const run = new ContractRun(wasmRuntime(), await programOf(await compiled('echo'), LARGE), records);
    const follower = await started(run);
    for (const { seq, end } of records) {
      run.feed(1);
      await run.until(() => run.consumed.includes(seq), `the consumption of record ${seq}`);
      if (end) break;
      await expectFollowed(run, follower);
      run.thread.resume();
    }
    expect(follower.looked).toBeGreaterThan(0);
  }, TIMEOUT_MS);

  it('is one only where its memory may become large', async () => {
    const small = new ContractRun(wasmRuntime(), await programOf(await compiled('echo')), []);
    runs.push(small);
    await small.start();
    expect(small.thread.image!.written).toBeUndefined();
  }, TIMEOUT_MS);
});
