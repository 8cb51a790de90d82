/**
 * Lets Node run the workspace's TypeScript sources as they are: `./x.js` in a source means `./x.ts`, and types are taken
 * out as the file is loaded. For workers and child processes of specs and benches; what is installed runs from `dist`.
 * What comes out is kept by content under `.godwit/cache/stripped`: the contract suite starts workers by the hundred, and
 * setting up the transformer takes each of them longer than all else.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../../../.godwit/cache/stripped/', import.meta.url));

function stripped(source) {
  const kept = `${CACHE}${createHash('sha256').update(process.version).update('\0').update(source).digest('hex')}.mjs`;
  if (existsSync(kept)) return readFileSync(kept, 'utf8');
  const made = stripTypeScriptTypes(source, { mode: 'transform' });
  mkdirSync(CACHE, { recursive: true });
  const own = `${kept}.${process.pid}.${performance.now()}`;
  writeFileSync(own, made);
  renameSync(own, kept);
  return made;
}

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts')) {
      const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
      if (existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true };
    }
    return next(specifier, context);
  },
  load(url, context, next) {
    if (!url.endsWith('.ts')) return next(url, context);
    return { format: 'module', source: stripped(readFileSync(fileURLToPath(url), 'utf8')), shortCircuit: true };
  },
});
