/**
 * The peer of the bench: polls at the places where ours stand, but one at each turn of each loop, and Binaryen's Asyncify,
 * as a user of its tools would put them together. Specs and the product do not use it.
 */
import binaryen from 'binaryen';
import { Reader, Writer } from './binary.js';
import { rewriteBody } from './body.js';
import { readModule } from './module.js';
import { TYPE_BYTE } from './opcodes.js';
import { placePolls } from './survey.js';
import { writeCode } from './unwinding.js';
import { RIG_LIMITS } from './wasm-rig.js';
import { BLOCKING_WASI, WASI_MODULE } from './wasi-signatures.js';

const SECTION = { types: 1, functions: 3, code: 10 } as const;
/** Release 132 takes the features as second argument, other than its own declarations say. */
const readBinary = binaryen.readBinary as (bytes: Uint8Array, features: number) => binaryen.Module;
/** Large enough for a poll: a condition and a call. */
const POLL_SIZE = 10;

const dropFlag = (): number => {
  throw new Error('the peer knows no programs that drop segments');
};

/** The module with calls of one more function, its last, where polls belong. */
function withPollCalls(bytes: Uint8Array): Uint8Array {
  const module = readModule(bytes, RIG_LIMITS);
  const plan = placePolls(module, true);
  const pollFunction = module.imports.length + module.functions.length;
  const bodies = module.functions.map((body, i) => {
    const { code, locals } = rewriteBody({ module, renumber: (index) => index, pollFunction, site: () => 0, dropFlag, tracksWrites: false }, {
      body, index: i, pollOnEntry: plan.onEntry.has(i), loops: plan.loops[i]!.map((how) => (how === 'strip' ? 'each' : how)), computesFloats: false,
    });
    return writeCode({ code, locals: locals.slice(module.types[body.type]!.params.length) });
  });
  const out = new Writer().raw(bytes.subarray(0, 8));
  const reader = new Reader(bytes, 8);
  const changed: Readonly<Record<number, (s: Writer) => void>> = {
    [SECTION.types]: (s) => s.list([...module.types, { params: ['i' as const], results: [] }], (t) => {
      s.byte(0x60).list(t.params, (p) => s.byte(TYPE_BYTE[p])).list(t.results, (r) => s.byte(TYPE_BYTE[r]));
    }),
    [SECTION.functions]: (s) => s.list([...module.functions.map((f) => f.type), module.types.length], (type) => s.u32(type)),
    [SECTION.code]: (s) => s.list([...bodies, new Uint8Array([0, 0x0b])], (body) => s.u32(body.length).raw(body)),
  };
  while (!reader.done) {
    const id = reader.byte();
    const content = reader.take(reader.u32());
    if (id === 0) continue;
    out.byte(id).sized(changed[id] ?? ((s) => s.raw(content)));
  }
  return out.view();
}

/** Such a module; it imports `bench.poll`, and polls when its global `bench.attention` is not zero, which it never is. */
export function asyncified(bytes: Uint8Array): Uint8Array {
  const { Features, i32, none } = binaryen;
  const features = Features.MutableGlobals | Features.NontrappingFPToInt | Features.SIMD128 | Features.BulkMemory | Features.BulkMemoryOpt
    | Features.SignExt | Features.ReferenceTypes | Features.Multivalue | Features.ExtendedConst;
  const module = readBinary(withPollCalls(bytes), features);
  const poll = binaryen.getFunctionInfo(module.getFunctionByIndex(module.getNumFunctions() - 1)).name;
  module.removeFunction(poll);
  module.addFunctionImport('bench.poll', 'bench', 'poll', i32, none);
  module.addGlobal('bench.attention', i32, true, module.i32.const(0));
  module.addGlobalExport('bench.attention', 'bench.attention');
  module.addFunction(poll, i32, none, [], module.if(module.global.get('bench.attention', i32), module.call('bench.poll', [module.local.get(0, i32)], none)));
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  const before = binaryen.getAlwaysInlineMaxSize();
  binaryen.setAlwaysInlineMaxSize(POLL_SIZE);
  module.runPasses(['inlining']);
  binaryen.setAlwaysInlineMaxSize(before);
  binaryen.setPassArgument('asyncify-imports', ['bench.poll', ...BLOCKING_WASI.map((name) => `${WASI_MODULE}.${name}`)].join(','));
  module.runPasses(['asyncify']);
  module.optimize();
  const made = module.emitBinary();
  module.dispose();
  return made;
}
