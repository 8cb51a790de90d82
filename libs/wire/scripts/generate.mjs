// proto/ to generated/wire.js and .d.ts. Built, never edited.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const protoDir = join(here, '../../proto');
const out = join(here, 'generated');
const cli = dirname(createRequire(import.meta.url).resolve('protobufjs-cli/package.json'));
const protos = readdirSync(protoDir, { recursive: true }).filter((name) => name.endsWith('.proto')).sort().map((name) => join(protoDir, name));

mkdirSync(out, { recursive: true });
const run = (tool, args) => execFileSync(process.execPath, [join(cli, 'bin', tool), ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
const js = join(out, 'wire.js');
run('pbjs', ['--target', 'static-module', '--wrap', 'es6', '--force-number', '--no-service', '--no-delimited', '--path', protoDir, '--out', js, ...protos]);
run('pbts', ['--out', join(out, 'wire.d.ts'), js]);
// Node's ESM resolver wants the file's ending.
writeFileSync(js, readFileSync(js, 'utf8').replace(/from ["']protobufjs\/minimal(\.js)?["']/, 'from "protobufjs/minimal.js"').replace('import * as $protobuf', 'import $protobuf'));
