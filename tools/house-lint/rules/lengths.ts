import type { Rule, Violation } from '../rule.ts';
import type { Comment, FunctionSite, SourceFile } from '../source-file.ts';
import type { Workspace } from '../workspace.ts';

export const FILE_LINES = 400;
export const FUNCTION_LINES = 70;
/** `{ "path": lines, "path#function": lines }`: what was longer when the rule came. It may only shrink. */
export const RATCHET = 'tools/house-lint/ratchet.json';
/** A reason for a long file stands where a reader meets it: in its first lines. */
const HEADER_LINES = 20;

const givesReason = ({ text }: Comment): boolean => /\blong because \S/.test(text);

export const lengths: Rule = {
  name: 'lengths',
  protects: `files of at most ${FILE_LINES} lines, functions of at most ${FUNCTION_LINES}, or a comment "long because …"`,
  check(workspace) {
    const ratchet = workspace.files.includes(RATCHET) ? JSON.parse(workspace.read(RATCHET)) as Record<string, number> : {};
    const tooLong = measure(workspace);
    return [
      ...tooLong.filter(({ key, lines }) => lines > (ratchet[key] ?? 0)).map(({ file, line, message }) => ({ file, line, message })),
      ...Object.entries(ratchet).flatMap(([key, allowed]) => {
        const lines = tooLong.find((one) => one.key === key)?.lines;
        return lines !== undefined && lines >= allowed ? [] : [{ file: RATCHET, line: 0, message: `${key} has shrunk: ${lines === undefined ? 'take it out' : `write ${lines}`}` }];
      }),
    ];
  },
};

function measure(workspace: Workspace): (Violation & { readonly key: string; readonly lines: number })[] {
  return workspace.sources().flatMap((source) => {
    const reasons = source.comments().filter(givesReason);
    const lines = source.lineCount();
    const excused = reasons.some(({ line }) => line <= HEADER_LINES);
    const file = lines > FILE_LINES && !excused ? [{ key: source.path, file: source.path, line: 0, lines, message: `${lines} lines, at most ${FILE_LINES} without a reason` }] : [];
    return [...file, ...longFunctions(source, reasons)];
  });
}

function longFunctions(source: SourceFile, reasons: readonly Comment[]) {
  const linesOf = ({ line, lastLine }: FunctionSite): number => lastLine - line + 1;
  const excused = (one: FunctionSite): boolean => reasons.some((reason) => reason.lastLine >= one.line - 1 && reason.line <= one.lastLine);
  return source.functions().filter((one) => linesOf(one) > FUNCTION_LINES && !excused(one)).map((one) => ({
    key: `${source.path}#${one.name}`, file: source.path, line: one.line, lines: linesOf(one), message: `${one.name} has ${linesOf(one)} lines, at most ${FUNCTION_LINES} without a reason`,
  }));
}
