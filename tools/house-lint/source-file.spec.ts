import { SourceFile } from './source-file.ts';

describe('SourceFile', () => {
  it('counts lines rightly behind letters of several bytes', () => {
    const source = new SourceFile('x.ts', '// é → ü\nexport const é = "→";\nfunction f() {\n  return "ü";\n}\n');
    expect(source.functions()).toEqual([{ name: 'f', line: 3, lastLine: 5 }]);
    expect(source.lineCount()).toBe(5);
  });
  it('tells a global from a name that the file binds', () => {
    const source = new SourceFile('x.ts', "import { a } from 'a';\nconst b = (c: number) => a + c + process.pid;\nb(1);\nexport type T = { d: Buffer };\n");
    expect(source.globals().map(({ name }) => name)).toEqual(['process', 'Buffer']);
  });
  it('finds comments, and none in strings, templates and expressions', () => {
    const source = new SourceFile('x.ts', "// one\nconst a = '// no';\nconst b = `/* no ${a /* two */} // no`;\nconst c = /\\/\\/ no/;\n/* three\n */\nexport const d = a / 2; // four\n");
    expect(source.comments().map(({ text, line, lastLine }) => [text.replaceAll('\n', ''), line, lastLine])).toEqual([['// one', 1, 1], ['/* two */', 3, 3], ['/* three */', 5, 6], ['// four', 7, 7]]);
  });
  it('reads every way to name a module, and no name that is computed', () => {
    const source = new SourceFile('x.ts', "import 'a';\nexport * from 'b';\nconst c = import('c');\nconst d = import.meta.resolve('d');\nconst e = import(name);\nPromise.resolve('f');\nconst name = 'g';\n");
    expect(source.imports().map(({ specifier, kind }) => `${kind} ${specifier}`)).toEqual(['import a', 'import b', 'import c', 'mention d']);
  });
});
