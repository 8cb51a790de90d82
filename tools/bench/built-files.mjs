/**
 * For benches: `./x.js` asked for by a `.ts` file of `src` means the built `dist/x.js`, and only what is never built (a
 * bench's own fixture) its `.ts`. So a bench measures what ships, decorators and parameter properties included.
 */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('.') || !specifier.endsWith('.js') || !context.parentURL?.endsWith('.ts')) return next(specifier, context);
    const asked = new URL(specifier, context.parentURL);
    const candidates = [asked.href.replace('/src/', '/dist/'), asked.href.replace(/\.js$/, '.ts')];
    const found = existsSync(asked) ? undefined : candidates.find((url) => existsSync(new URL(url)));
    return next(found ?? specifier, context);
  },
});
