/**
 * Loads a program into a realm of its own: a fresh V8 context, with the runtime's SDK and `realm/` beside the program.
 *
 * This is hygiene, not a boundary: it keeps honest programs deterministic and free of Node. V8 contexts share a heap and
 * a process, and a hostile program may find a way to Node's side. The boundary is the process jail of the runner: no
 * network, no credentials, a file system of its own, limits of the kernel.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import vm from 'node:vm';
import { refuse, type Refusal } from '@godwit/kernel';
import type { RealmSetup, RealmThread } from '../realm/dispatch.js';
import type { RealmIdentity, RealmPorts } from '../realm/ports.js';
import { describeError } from './describe-error.js';

const SDK = '@godwit/sdk';
/** Under jest this file is a source, and so are its neighbours; else all of them are `tsc`'s output. */
const FROM_SOURCE = import.meta.url.endsWith('.ts');

class InvalidProgram extends Error {}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The modules of one realm. Ours come from files; the program from its bytes. */
class Realm {
  private readonly context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { codeGeneration: { strings: false, wasm: false } });
  private readonly modules = new Map<string, vm.SourceTextModule>();

  async loadOurs<Exports>(url: string): Promise<Exports> {
    const module = this.ours(url);
    await module.link((specifier, parent) => this.resolveOurs(specifier, parent.identifier));
    await module.evaluate();
    return module.namespace as Exports;
  }

  async loadProgram(source: string, evaluateMs: number): Promise<unknown> {
    const module = new vm.SourceTextModule(source, { context: this.context, identifier: 'program', importModuleDynamically: refuseDynamicImport });
    await module.link((specifier) => {
      if (specifier !== SDK) throw new InvalidProgram(`it imports ${JSON.stringify(specifier)}, but only ${JSON.stringify(SDK)} may be imported`);
      return this.ours(import.meta.resolve(SDK));
    });
    let settled = false;
    const settle = (): void => { settled = true; };
    const evaluation = module.evaluate({ timeout: evaluateMs });
    evaluation.then(settle, settle);
    await turn();
    if (!settled) throw new InvalidProgram('it awaits something at its top level that never comes: there is nothing to wait for while it loads');
    await evaluation;
    const exports = module.namespace as Record<string, unknown>;
    if (!('default' in exports)) throw new InvalidProgram('it has no default export; that must be the result of defineThread');
    return exports.default;
  }

  private ours(url: string): vm.SourceTextModule {
    const known = this.modules.get(url);
    if (known) return known;
    const text = readFileSync(new URL(url), 'utf8');
    const module = new vm.SourceTextModule(url.endsWith('.ts') ? stripTypeScriptTypes(text, { mode: 'transform' }) : text, { context: this.context, identifier: url });
    this.modules.set(url, module);
    return module;
  }

  private resolveOurs(specifier: string, parent: string): vm.SourceTextModule {
    if (specifier === SDK) return this.ours(import.meta.resolve(SDK));
    const { href } = new URL(specifier, parent);
    return this.ours(FROM_SOURCE ? href.replace(/\.js$/, '.ts') : href);
  }
}

const refuseDynamicImport = (specifier: string): never => {
  throw new InvalidProgram(`import(${JSON.stringify(specifier)}): a program is loaded at once and whole`);
};

async function loadInto(source: string, deterministic: boolean, options: LoadOptions): Promise<RealmThread> {
  const realm = new Realm();
  const url = new URL(FROM_SOURCE ? '../realm/dispatch.ts' : '../realm/dispatch.js', import.meta.url).href;
  const { setUpRealm } = await realm.loadOurs<{ setUpRealm(identity: RealmIdentity, ports: RealmPorts): RealmSetup }>(url);
  const setup = setUpRealm(options.identity, options.ports);
  setup.prepare(deterministic);
  const thread = setup.adopt(await realm.loadProgram(source, options.evaluateMs));
  if (!thread) throw new InvalidProgram('its default export is not the result of defineThread');
  return thread;
}

export interface LoadOptions {
  readonly identity: RealmIdentity;
  readonly ports: RealmPorts;
  /** Longest time that evaluating the module may take, ms. */
  readonly evaluateMs: number;
}

/**
 * Loads a program; refuses what is none with `invalid-program`. A program that calls itself deterministic is loaded a
 * second time, in the realm of deterministic threads: only its first evaluation tells that it is one.
 */
export async function loadProgram(bytes: Uint8Array, options: LoadOptions): Promise<RealmThread | Refusal> {
  try {
    const source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const thread = await loadInto(source, false, options);
    if (!thread.deterministic) return thread;
    const again = await loadInto(source, true, options);
    if (!again.deterministic) throw new InvalidProgram('it calls itself deterministic at one time, and at another not');
    return again;
  } catch (error) {
    return refuse('invalid-program', `the program could not be loaded: ${reasonOf(error, options.evaluateMs)}`, fieldOf(error));
  }
}

/** The field that `defineThread` found wrong. */
function fieldOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || (error as { name?: unknown }).name !== 'DefinitionError') return undefined;
  const { field } = error as { field?: unknown };
  return typeof field === 'string' ? field : undefined;
}

function reasonOf(error: unknown, evaluateMs: number): string {
  if (error instanceof InvalidProgram) return error.message;
  if (error instanceof TypeError && (error as { code?: unknown }).code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'its bytes are not UTF-8';
  if (error instanceof Error && (error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return `its top level did not end within ${evaluateMs} ms`;
  return describeError(error);
}
