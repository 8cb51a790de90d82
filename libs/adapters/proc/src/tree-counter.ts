/**
 * Adds up a counter over a process tree so that the sum never falls, whatever dies.
 *
 * The kernel gives each process its own count, and adds the count of a child to its parent's "reaped" count when the
 * parent waits for it. Taking the plain sum of what lives would fall at each death, or, where both are added, count a
 * child twice. So only growth is added, and:
 * 1. what a process counted stays in `total` after its death;
 * 2. when a process that we watched ends, its parent owes that amount: the growth of the parent's reaped count pays the
 *    debt first, and only what is above it (the child's last moments, and children born and ended unseen) is new;
 * 3. a debt lasts two rounds. The wait may fall between the reading of the parent and that of the child, so one round
 *    is too short; a parent that ignores SIGCHLD never pays, so more would swallow growth that is real.
 */
import type { TrackedProcess } from './process-tree.js';

interface Account {
  own: number;
  reaped: number;
  debt: number;
  olderDebt: number;
}

export class TreeCounter {
  /** The sum since the start, in the unit of what is added. Never falls. */
  total = 0;
  private readonly accounts = new Map<TrackedProcess, Account>();

  /** Call once a round, before `add`: takes out what ended or left the scope. */
  settle(): void {
    for (const [process, account] of this.accounts) {
      if (process.status === 'alive') continue;
      this.accounts.delete(process);
      if (process.status === 'ended') this.charge(process.parent, account.own + account.reaped + account.debt + account.olderDebt);
    }
  }

  /** @param own what the process counted itself so far @param reaped what it took over from children that it waited for */
  add(process: TrackedProcess, own: number, reaped: number): void {
    const account = this.accounts.get(process);
    if (account === undefined) {
      this.accounts.set(process, { own, reaped, debt: 0, olderDebt: 0 });
      if (process.countsFromZero) this.total += own + reaped;
      return;
    }
    if (own > account.own) {
      this.total += own - account.own;
      account.own = own;
    }
    let inherited = 0;
    if (reaped > account.reaped) {
      inherited = reaped - account.reaped;
      account.reaped = reaped;
    }
    if (account.olderDebt > 0 || account.debt > 0) inherited = pay(account, inherited);
    this.total += inherited;
  }

  private charge(parent: TrackedProcess | undefined, amount: number): void {
    let heir = parent;
    while (heir?.status === 'ended') heir = heir.parent;
    const account = heir === undefined ? undefined : this.accounts.get(heir);
    if (account !== undefined) account.debt += amount;
  }
}

/** @returns what is left of `inherited` after the debts; what is owed for a round now is forgotten. */
function pay(account: Account, inherited: number): number {
  const afterOlder = Math.max(0, inherited - account.olderDebt);
  const left = Math.max(0, afterOlder - account.debt);
  account.olderDebt = Math.max(0, account.debt - afterOlder);
  account.debt = 0;
  return left;
}
