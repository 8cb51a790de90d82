import { objections } from './house.fixture.ts';
import { FILE_LINES, FUNCTION_LINES, RATCHET, lengths } from './rules/lengths.ts';

const AT = 'libs/x/src/x.ts';
const lines = (count: number, first = ''): string => `${first}${Array.from({ length: count - (first === '' ? 0 : 1) }, (_, i) => `export const a${i} = ${i};`).join('\n')}\n`;
const longFunction = (count: number, first = ''): string => `${first}export function f() {\n${'  g();\n'.repeat(count - 2)}}\ndeclare function g(): void;\n`;
const check = (text: string, ratchet: Record<string, number> = {}) => objections(lengths, { [AT]: text, [RATCHET]: JSON.stringify(ratchet) });

describe('lengths', () => {
  it('bites on a file of one line too many, and not on the last that fits', () => {
    expect(check(lines(FILE_LINES))).toEqual([]);
    expect(check(lines(FILE_LINES + 1))).toEqual([`${AT}:0 ${FILE_LINES + 1} lines, at most ${FILE_LINES} without a reason`]);
  });
  it('bites on a function of one line too many, and not on the last that fits', () => {
    expect(check(longFunction(FUNCTION_LINES))).toEqual([]);
    expect(check(longFunction(FUNCTION_LINES + 1))).toEqual([expect.stringContaining(`f has ${FUNCTION_LINES + 1} lines`)]);
  });
  it('accepts what gives its reason', () => {
    expect(check(lines(FILE_LINES + 9, '// long because the table is one\n'))).toEqual([]);
    expect(check(longFunction(FUNCTION_LINES + 9, '// long because the steps are one transaction\n'))).toEqual([]);
    expect(check(longFunction(FUNCTION_LINES + 9, '// long because\n'))).toHaveLength(1);
  });
  it('takes a describe for a chapter and not for a function', () => {
    expect(check(`describe('x', () => {\n${"  it('y', () => {});\n".repeat(FUNCTION_LINES)}});\n`)).toEqual([]);
  });
  it('holds what the ratchet lists to its length, and the ratchet to what has shrunk', () => {
    expect(check(longFunction(80), { [`${AT}#f`]: 80 })).toEqual([]);
    expect(check(longFunction(81), { [`${AT}#f`]: 80 })).toEqual([expect.stringContaining('f has 81 lines')]);
    expect(check(longFunction(79), { [`${AT}#f`]: 80 })).toEqual([`${RATCHET}:0 ${AT}#f has shrunk: write 79`]);
    expect(check(longFunction(20), { [`${AT}#f`]: 80 })).toEqual([`${RATCHET}:0 ${AT}#f has shrunk: take it out`]);
  });
});
