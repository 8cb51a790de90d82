/** Long specs first, and the example last: it is an end-to-end run of several minutes on both cores, so it should be alone. */
import sequencer from '@jest/test-sequencer';

const Sequencer = sequencer.default ?? sequencer;
const FIRST = ['wasm-', 'failover', 'moves', 'bad-input', 'gateway', 'local-godwit'];
const LAST = 'examples/flights/src/once.int.spec.ts';
const rank = (path) => (path.endsWith(LAST) ? 2 : FIRST.some((name) => path.includes(name)) ? 0 : 1);

export default class ExampleLast extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => rank(a.path) - rank(b.path));
  }
}
