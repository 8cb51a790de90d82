/**
 * Where the files are that run in a worker or a child process. From `tsc -b` output they stand beside this one as
 * JavaScript. Under Jest this file *is* the TypeScript source: then the entries run from source too, through hooks that
 * Node loads first (`scripts/source-hooks.mjs`), so specs need no build.
 */
export interface Entry {
  readonly url: URL;
  readonly execArgv: string[];
}

export function entryOf(name: string): Entry {
  if (!import.meta.url.endsWith('.ts')) return { url: new URL(`./${name}.js`, import.meta.url), execArgv: [] };
  const hooks = new URL('../scripts/source-hooks.mjs', import.meta.url).href;
  return { url: new URL(`./${name}.ts`, import.meta.url), execArgv: ['--conditions=@godwit/source', '--no-warnings', '--import', hooks] };
}
