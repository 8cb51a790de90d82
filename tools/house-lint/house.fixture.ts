import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Rule } from './rule.ts';
import { Workspace } from './workspace.ts';

/** A package of the small house; what is not given has the form that every rule accepts. */
export interface Room {
  readonly folder: string;
  readonly layer: string;
  readonly dependencies?: readonly string[];
  readonly devDependencies?: readonly string[];
  readonly references?: readonly string[];
  readonly tsconfigBase?: string;
}

const record = (names: readonly string[] = []): Record<string, string> => Object.fromEntries(names.map((name) => [name, '*']));
const nameOf = (folder: string): string => folder.split('/').at(-1)!;

function describeRoom(room: Room): Record<string, string> {
  const up = room.folder.split('/').map(() => '..').join('/');
  return {
    [`${room.folder}/package.json`]: JSON.stringify({
      name: `@godwit/${nameOf(room.folder)}`, exports: { '.': './dist/index.js' }, nx: { tags: [`layer:${room.layer}`, `scope:${nameOf(room.folder)}`] },
      dependencies: record(room.dependencies), devDependencies: record(room.devDependencies),
    }),
    [`${room.folder}/tsconfig.json`]: JSON.stringify({
      extends: `${up}/${room.tsconfigBase ?? (room.layer === 'core' ? 'tsconfig.core.json' : 'tsconfig.node.json')}`,
      include: ['src/**/*.ts'], exclude: ['src/**/*.spec.ts'], references: (room.references ?? []).map((folder) => ({ path: `${up}/${folder}` })),
    }),
  };
}

/** Writes a small house into a folder of its own, and gives what the rule objects to, as `file:line message`. */
export function objections(rule: Rule, files: Readonly<Record<string, string>>, ...roomsOfHouse: readonly Room[]): string[] {
  const root = mkdtempSync(join(tmpdir(), 'house-lint-'));
  try {
    const described = Object.assign({ 'package.json': JSON.stringify({ dependencies: record(['rxjs']), devDependencies: record(['fast-check']) }) }, ...roomsOfHouse.map(describeRoom)) as Record<string, string>;
    for (const [path, text] of Object.entries({ ...described, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return rule.check(new Workspace(root)).map(({ file, line, message }) => `${file}:${line} ${message}`);
  } finally {
    rmSync(root, { recursive: true });
  }
}
