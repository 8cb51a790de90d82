/** A model of processes that run, fork, end, and are reaped, ignored or orphaned, in any order, against what the counter makes of it. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { TrackedProcess } from './process-tree.js';
import { TreeCounter } from './tree-counter.js';

interface Life {
  readonly shown: TrackedProcess;
  readonly parent: Life | undefined;
  own: number;
  reaped: number;
}

function born(pid: number, parent: Life | undefined): Life {
  const shown: TrackedProcess = {
    pid, folder: '', countsFromZero: true, status: 'alive', parent: parent?.shown, ownTicks: 0, reapedTicks: 0, threadCount: 1,
  };
  return { shown, parent, own: 0, reaped: 0 };
}

class World {
  readonly counter = new TreeCounter();
  readonly living: Life[] = [born(1, undefined)];
  spent = 0;
  private nextPid = 2;

  pick(which: number): Life {
    return this.living[which % this.living.length] as Life;
  }

  run(which: number, amount: number): void {
    this.pick(which).own += amount;
    this.spent += amount;
  }

  fork(which: number): void {
    this.living.push(born(this.nextPid, this.pick(which)));
    this.nextPid += 1;
  }

  /** A child is born, runs and is reaped between two rounds. */
  unseenChild(which: number, amount: number): void {
    this.pick(which).reaped += amount;
    this.spent += amount;
  }

  /** Leaves only: the kernel gives an orphan's time to nobody in scope. */
  endLeaf(which: number): void {
    const leaf = this.pick(which);
    if (leaf.parent === undefined || this.living.some((life) => life.parent === leaf)) return;
    this.living.splice(this.living.indexOf(leaf), 1);
    leaf.shown.status = 'ended';
    leaf.parent.reaped += leaf.own + leaf.reaped;
  }

  round(): void {
    this.counter.settle();
    for (const life of this.living) this.counter.add(life.shown, life.own, life.reaped);
  }
}

const step = fc.record({ kind: fc.constantFrom('run', 'fork', 'unseen', 'end', 'round'), which: fc.nat(50), amount: fc.nat(1000) });

function act(world: World, { kind, which, amount }: { kind: string; which: number; amount: number }): void {
  if (kind === 'run') world.run(which, amount);
  else if (kind === 'fork') world.fork(which);
  else if (kind === 'unseen') world.unseenChild(which, amount);
  else if (kind === 'end') world.endLeaf(which);
  else world.round();
}

describe('TreeCounter', () => {
  it('never falls, whatever lives and dies', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const world = new World();
      let before = 0;
      for (const one of steps) {
        act(world, one);
        expect(world.counter.total).toBeGreaterThanOrEqual(before);
        before = world.counter.total;
      }
    }));
  });

  it('counts exactly what was spent when every child is reaped', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const world = new World();
      world.round();
      for (const one of steps) act(world, one);
      world.round();
      expect(world.counter.total).toBe(world.spent);
    }));
  });
});
