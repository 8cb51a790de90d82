import { objections } from './house.fixture.ts';
import { RULES } from './rules.ts';
import { emptyCatch } from './rules/empty-catch.ts';
import { fileNames } from './rules/file-names.ts';
import { focusedSpecs } from './rules/focused-specs.ts';
import { machineTraces } from './rules/machine-traces.ts';
import { readable } from './rules/readable.ts';
import { toDoReasons } from './rules/to-do-reasons.ts';
import { typeEscapes } from './rules/type-escapes.ts';

const AT = 'libs/x/src/x.ts';

describe('file-names', () => {
  it.each(['libs/x/src/utils.ts', 'libs/x/src/helpers/x.ts', 'libs/common/src/x.ts', 'libs/x/src/misc.spec.ts', 'libs/x/src/manager.ts', 'libs/x/src/ThreadHost.ts', 'libs/x/src/thread_host.ts', 'libs/x/srcFolder/x.ts'])('bites on %s', (file) => {
    expect(objections(fileNames, { [file]: '' })).toHaveLength(1);
  });
  it.each(['libs/x/src/thread-host.int.spec.ts', 'libs/x/README.md', '.oxlintrc.json', 'proto/godwit/agent/v1/agent.proto', 'libs/x/fixtures/recorded/proc/self/smaps_rollup', '.ci/run', 'libs/x/src/layout-v1.ts'])('has nothing against %s', (file) => {
    expect(objections(fileNames, { [file]: '{}' })).toEqual([]);
  });
});

describe('focused-specs', () => {
  it.each(["it.only('a', () => {});", "describe.skip('a', () => {});", "it.skip.each([1])('a', () => {});", "test.todo('a');", "import { it } from '@jest/globals';\nit.only('a', () => {});", "fit('a', () => {});"])('bites on %s', (text) => {
    expect(objections(focusedSpecs, { 'libs/x/src/x.spec.ts': text })).toHaveLength(1);
  });
  it('lets a machine skip what it lacks the means for', () => {
    expect(objections(focusedSpecs, { 'libs/x/src/x.spec.ts': "(lacking ? describe.skip : describe)('a', () => {});\ndeclare const lacking: boolean;\n" })).toEqual([]);
  });
  it('has nothing against a list that skips', () => {
    expect(objections(focusedSpecs, { 'libs/x/src/x.spec.ts': "it('a .skip', () => { reader.skip(2); });\ndeclare const reader: { skip(n: number): void };\n" })).toEqual([]);
  });
});

describe('type-escapes', () => {
  it('bites on a cast to any and on comments that silence the compiler', () => {
    const text = ['export const a = 1 as any;', '// @ts-', 'export const b = 2;'].join('\n').replace('@ts-', ['@ts', 'ignore'].join('-'));
    expect(objections(typeEscapes, { [AT]: text })).toEqual([`${AT}:1 casts to any`, `${AT}:2 silences the compiler`]);
    expect(objections(typeEscapes, { [AT]: "export const a = 'as any';\nexport const b = 1 as unknown;\n" })).toEqual([]);
  });
});

describe('to-do-reasons', () => {
  const noted = (comment: string) => objections(toDoReasons, { [AT]: `${comment}\nexport {};\n` });
  it('bites on one without a reason', () => {
    expect(noted('// TODO mend this')).toHaveLength(1);
    expect(noted('/* FIXME: later */')).toHaveLength(1);
    expect(noted('// TODO() mend this')).toHaveLength(1);
  });
  it('accepts one with a reason, and the word in a string', () => {
    expect(noted('// TODO(the broker lacks it; when 2.16 is out) use it')).toEqual([]);
    expect(noted("export const a = '// TODO';")).toEqual([]);
  });
});

describe('empty-catch', () => {
  it.each(['try { f(); } catch {}', 'try { f(); } catch (e) { /* nothing */ }', 'f().catch(() => {});', 'f().catch(function () {});'])('bites on %s', (text) => {
    expect(objections(emptyCatch, { [AT]: `declare const f: any;\n${text}\n` })).toEqual([`${AT}:2 an empty catch`]);
  });
  it('accepts one that does something', () => {
    expect(objections(emptyCatch, { [AT]: 'export const g = (f: () => number) => { try { return f(); } catch { return 0; } };\nexport const h = (p: Promise<void>) => p.catch(() => undefined);\n' })).toEqual([]);
  });
});

describe('machine-traces', () => {
  const host = ['https://', 'registry.', 'npmjs.org/x'].join('');
  const path = ['', 'home', 'somebody', 'x'].join('/');
  it.each([[host], [path], [`"resolved": "${'https:'}//x/y.tgz"`], [['C:', 'Users', 'x'].join('\\')]])('bites on %s', (text) => {
    expect(objections(machineTraces, { 'docs/x.md': `first\n${text}\n` })).toEqual([expect.stringMatching(/^docs\/x\.md:2 /)]);
  });
  it('accepts hosts that nobody has, and folders of every machine', () => {
    expect(objections(machineTraces, { 'docs/x.md': 'http://mirror.example/debian\n/sys/fs/cgroup /tmp/x ./work/main\nhttps://nats.io\n' })).toEqual([]);
  });
});

describe('readable', () => {
  it('bites on a file that cannot be parsed, with its line', () => {
    expect(objections(readable, { [AT]: 'export const a = 1;\nconst = ;\n', 'libs/x/src/y.ts': 'export {};' })).toEqual([expect.stringMatching(/^libs\/x\/src\/x\.ts:2 /)]);
  });
});

describe('the list of rules', () => {
  it('names each once, after its file, and says what it protects', () => {
    expect(new Set(RULES.map(({ name }) => name)).size).toBe(RULES.length);
    for (const rule of RULES) expect(rule.protects.length).toBeGreaterThan(20);
  });
});
