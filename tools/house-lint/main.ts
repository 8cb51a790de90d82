/**
 * The house lint: what STYLE.md asks and no ready linter knows.
 *   node tools/house-lint/main.ts [--write-docs] [rule…]
 * Ends with 1 when a rule is broken, with 2 when it is called wrongly.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RULES } from './rules.ts';
import { ERRORS_DOC, errorsDocument } from './rules/error-table.ts';
import { Workspace } from './workspace.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

function writeDocs(): void {
  const path = join(root, ERRORS_DOC);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, errorsDocument(new Workspace(root)));
  console.log(`wrote ${ERRORS_DOC}`);
}

function lint(wanted: readonly string[]): number {
  const unknown = wanted.filter((name) => !RULES.some((rule) => rule.name === name));
  if (unknown.length > 0) {
    console.error(`no such rule: ${unknown.join(', ')}. Rules:\n${RULES.map(({ name, protects }) => `  ${name}: ${protects}`).join('\n')}`);
    return 2;
  }
  const workspace = new Workspace(root);
  const rules = RULES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  let count = 0;
  for (const rule of rules) {
    for (const { file, line, message } of rule.check(workspace)) {
      console.log(`${file}${line > 0 ? `:${line}` : ''}  ${rule.name}: ${message}`);
      count++;
    }
  }
  console.log(`house lint: ${rules.length} rules, ${workspace.packages.length} packages, ${workspace.files.length} files, ${count === 0 ? 'nothing to object' : `${count} objections`}`);
  return count === 0 ? 0 : 1;
}

const given = process.argv.slice(2);
if (given.includes('--write-docs')) writeDocs();
else process.exitCode = lint(given);
