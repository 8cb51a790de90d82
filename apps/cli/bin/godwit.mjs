#!/usr/bin/env node
// A file that is there before the first build, so that npm can link the command when it installs.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('godwit: not built yet; run: npm run build\n');
  process.exit(1);
}
await import(main.href);
