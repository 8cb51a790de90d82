import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { LEDGER_TASK, LedgerModel } from './ledger.js';

interface Task {
  initial(): unknown;
  onMessage(ctx: { emit(kind: string, payload: Uint8Array): void }, message: { payload: Uint8Array }, state: unknown): unknown;
}
/** The task's text without its import, as a function that gives the definition. */
function loadTask(): Task {
  const body = LEDGER_TASK.replace(/^import .*$/m, '').replace('export default', 'return');
  const load = runInNewContext(`(function (defineThread, jsonCodec) {${body}})`, { TextDecoder, TextEncoder }) as (define: (given: Task) => Task, codec: () => object) => Task;
  return load((given) => given, () => ({}));
}

describe('the ledger', () => {
  it('answers as a task what its model answers, line by line', () => {
    const task = loadTask();
    const model = new LedgerModel('task');
    let state = task.initial();
    for (let i = 0; i < 300; i++) {
      const said: string[] = [];
      state = task.onMessage({ emit: (_kind, payload) => void said.push(new TextDecoder().decode(payload)) }, { payload: Buffer.from(`line-${i}\n`) }, state);
      expect(said).toEqual([`${model.take(`line-${i}`)}\n`]);
    }
  });

  it('answers otherwise ever after when one line is lost, repeated, or changed', () => {
    const answers = (lines: readonly string[]): string => {
      const model = new LedgerModel('wasm');
      return lines.map((line) => model.take(line)).at(-1)!.split(' ')[1]!;
    };
    const all = ['a', 'b', 'c', 'd'];
    expect(new Set([answers(all), answers(['a', 'c', 'd']), answers(['a', 'b', 'b', 'c', 'd']), answers(['a', 'c', 'b', 'd']), answers(['a', 'b', 'x', 'd'])]).size).toBe(5);
  });
});
