import { afterAll } from '@jest/globals';
import { runtimeContract } from '@godwit/testing';
import { describeWithRig, inputs, openRig, programOf } from './criu-rig.js';

const rig = await openRig();

/** Reads a line, works on it, answers: only with what every system has. */
const COUNTING = `#!/bin/sh
count=0
while read -r line; do
  count=$((count + 1))
  i=0
  while [ $i -lt 300 ]; do i=$((i + 1)); done
  echo "$count \${#line} $line"
done
printf 'no newline at the end'
exit 4
`;
/** A tree of three processes, joined by pipes. */
const PIPELINE = `#!/bin/sh
cat | while read -r line; do echo "[$line]"; done
`;
const COMPUTING = `#!/bin/sh
i=0
hash=7
while [ $i -lt 150000 ]; do
  i=$((i + 1))
  hash=$(((hash * 31 + i) % 1000003))
  [ $((i % 10000)) -eq 0 ] && echo "$i $hash"
done
exit 0
`;

describeWithRig('the runtime of processes', rig, (open) => {
  afterAll(() => open.remove());
  runtimeContract(() => open.runtime(), [
    { name: 'answers lines', program: () => Promise.resolve(programOf(COUNTING)), inputs: inputs('a line\n', 'half of ', 'another\nand a third\n', 'four\nfive\nsix\n', 'the last'), movesInside: 1 },
    { name: 'computes without input', program: () => Promise.resolve(programOf(COMPUTING)), inputs: [], movesInside: 3 },
    { name: 'is a tree of processes', program: () => Promise.resolve(programOf(PIPELINE)), inputs: inputs('one\ntwo\n', 'three\n', 'four'), movesInside: 1 },
  ]);
});
