import { objections } from './house.fixture.ts';
import { corePurity } from './rules/core-purity.ts';

const KERNEL = { folder: 'libs/core/kernel', layer: 'core' };
const inCore = (text: string, file = 'index.ts') => objections(corePurity, { [`libs/core/kernel/src/${file}`]: text }, KERNEL);

describe('core-purity', () => {
  it.each([
    ["import { x } from 'node:fs';", 'imports node:fs'], ["import { x } from 'fs';", 'imports fs'],
    ['export const a = Date.now();', 'Date.now: take nowMs'], ['export const a = new Date();', 'read the clock'], ['export const a = Date();', 'read the clock'],
    ['export const a = Math.random();', 'Math.random: take an Rng'], ['setTimeout(() => 0, 1);', 'setTimeout'], ['setInterval(() => 0, 1);', 'setInterval'],
    ['export const a = process.pid;', 'process'], ['export const a = Buffer.alloc(1);', 'Buffer'], ['console.log(1);', 'console'],
    ['export async function f() { return 1; }', 'waits'], ['export const f = async () => 1;', 'waits'], ['export class A { async m() { return 1; } }', 'waits'],
    ['export const o = { async m() { return 1; } };', 'waits'], ['await g;\nexport {};\nconst g = 1;', 'waits'],
  ])('bites on %s', (text, message) => {
    expect(inCore(text)).toContainEqual(expect.stringContaining(message));
  });

  it('has nothing against a value of its own by such a name, a given instant, a promise in a port, or a word in a string', () => {
    expect(inCore("export const f = (process: { pid: number }) => process.pid;\nexport const d = (ms: number) => new Date(ms);\nexport interface P { get(): Promise<string> }\nexport const s = 'Date.now()';\nexport const m = Math.max(1, 2);\nexport const o = { console: 1 };\n")).toEqual([]);
  });

  it('leaves specs and other rooms alone', () => {
    expect(inCore('console.log(Date.now());', 'index.spec.ts')).toEqual([]);
    expect(objections(corePurity, { 'libs/shell/src/index.ts': 'console.log(Date.now());' }, { folder: 'libs/shell', layer: 'shell' })).toEqual([]);
  });

  it('bites on a core package that is compiled with the types of Node', () => {
    expect(objections(corePurity, {}, { ...KERNEL, tsconfigBase: 'tsconfig.node.json' })).toEqual(['libs/core/kernel/tsconfig.json:0 extends something other than tsconfig.core.json']);
  });
});
