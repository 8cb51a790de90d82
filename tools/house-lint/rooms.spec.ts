import { objections, type Room } from './house.fixture.ts';
import { coreCycles } from './rules/core-cycles.ts';
import { declaredDependencies } from './rules/declared-dependencies.ts';
import { packageTags } from './rules/package-tags.ts';
import { rooms } from './rules/rooms.ts';

const HOUSE: readonly Room[] = [
  { folder: 'libs/core/kernel', layer: 'core' }, { folder: 'libs/core/graph', layer: 'core' }, { folder: 'libs/handover', layer: 'protocol' }, { folder: 'libs/wire', layer: 'wire' },
  { folder: 'libs/adapters/nats', layer: 'adapter' }, { folder: 'libs/adapters/task', layer: 'adapter' }, { folder: 'libs/adapters/servers', layer: 'adapter' },
  { folder: 'libs/shell', layer: 'shell' }, { folder: 'libs/client', layer: 'client' }, { folder: 'libs/sdk', layer: 'sdk' }, { folder: 'libs/local', layer: 'local' },
  { folder: 'libs/testing', layer: 'testing' }, { folder: 'apps/agent', layer: 'app' }, { folder: 'apps/cli', layer: 'app' }, { folder: 'examples/flights', layer: 'example' },
];
const folderOf = (name: string): string => HOUSE.find(({ folder }) => folder.endsWith(`/${name}`))!.folder;
const importing = (from: string, specifier: string, file = 'index.ts') => objections(rooms, { [`${folderOf(from)}/src/${file}`]: `// why\nimport { x } from '${specifier}';\n` }, ...HOUSE);

describe('rooms', () => {
  it('bites on an import of an adapter by the core, with the file and the line', () => {
    expect(importing('kernel', '@godwit/nats')).toEqual(['libs/core/kernel/src/index.ts:2 core → adapter: @godwit/kernel may not import @godwit/nats']);
  });

  it.each([
    ['agent', 'nats'], ['agent', 'shell'], ['agent', 'wire'], ['agent', 'kernel'], ['cli', 'client'], ['cli', 'local'], ['shell', 'wire'], ['nats', 'wire'], ['task', 'sdk'], ['wire', 'kernel'], ['graph', 'kernel'],
    ['client', 'wire'], ['client', 'kernel'], ['sdk', 'kernel'], ['local', 'servers'], ['local', 'nats'], ['local', 'client'], ['flights', 'agent'], ['flights', 'local'], ['testing', 'nats'], ['agent', 'handover'], ['local', 'handover'], ['handover', 'kernel'], ['testing', 'handover'],
  ])('lets %s import %s', (from, to) => {
    expect(importing(from, `@godwit/${to}`)).toEqual([]);
  });

  it.each([
    ['agent', 'cli'], ['agent', 'client'], ['agent', 'testing'], ['nats', 'task'], ['nats', 'sdk'], ['nats', 'shell'], ['shell', 'nats'], ['wire', 'nats'], ['wire', 'shell'], ['client', 'graph'], ['client', 'nats'],
    ['sdk', 'graph'], ['sdk', 'wire'], ['local', 'task'], ['local', 'agent'], ['kernel', 'wire'],
    ['handover', 'wire'], ['handover', 'nats'], ['handover', 'shell'], ['shell', 'handover'], ['nats', 'handover'], ['kernel', 'handover'],
  ])('keeps %s from importing %s', (from, to) => {
    expect(importing(from, `@godwit/${to}`)).toEqual([expect.stringContaining(`@godwit/${from} may not import @godwit/${to}`)]);
  });

  it('sees types, re-exports and dynamic imports too', () => {
    const text = "import type { A } from '@godwit/nats';\nexport * from '@godwit/nats';\nexport { b } from '@godwit/nats';\nconst c = await import('@godwit/nats');\ntype D = import('@godwit/nats').D;\n";
    expect(objections(rooms, { 'libs/core/kernel/src/index.ts': text }, ...HOUSE)).toHaveLength(5);
  });

  it('lets a spec import the test kit and packages for development, and nothing else that its room may not', () => {
    expect(importing('nats', '@godwit/testing', 'x.spec.ts')).toEqual([]);
    expect(importing('nats', 'fast-check', 'x.spec.ts')).toEqual([]);
    expect(importing('nats', '@godwit/task', 'x.spec.ts')).toHaveLength(1);
  });

  it('keeps npm packages out of the core, and undeclared ones out of every room', () => {
    expect(importing('nats', 'rxjs')).toEqual([]);
    expect(importing('kernel', 'rxjs')).toEqual([expect.stringContaining('core → npm')]);
    expect(importing('handover', 'rxjs')).toEqual([expect.stringContaining('protocol → npm')]);
    expect(importing('nats', 'fast-check')).toEqual([expect.stringContaining('only among those for development')]);
    expect(importing('nats', 'left-out')).toEqual([expect.stringContaining('not among')]);
  });

  it('knows the front door only', () => {
    expect(importing('nats', '@godwit/kernel/src/ids.js')).toEqual([expect.stringContaining('is no door of @godwit/kernel')]);
    expect(importing('nats', '../../../core/kernel/src/index.js')).toEqual([expect.stringContaining('leaves the package')]);
    expect(importing('nats', '@godwit/nowhere')).toEqual([expect.stringContaining('no package of this workspace')]);
  });
});

describe('package-tags', () => {
  it('bites on a package without a room, with two, and with one that does not exist', () => {
    const tagged = (...tags: string[]) => objections(packageTags, { 'libs/x/package.json': JSON.stringify({ name: '@godwit/x', nx: { tags } }) });
    expect(tagged('layer:core', 'scope:x')).toEqual([]);
    expect(tagged('scope:x')).toEqual(['libs/x/package.json:0 has 0 layer: tags, needs one']);
    expect(tagged('layer:core', 'layer:app', 'scope:x')).toEqual(['libs/x/package.json:0 has 2 layer: tags, needs one']);
    expect(tagged('layer:core')).toEqual(['libs/x/package.json:0 has 0 scope: tags, needs one']);
    expect(tagged('layer:attic', 'scope:x')).toEqual([expect.stringContaining('layer:attic is no room')]);
  });
});

describe('core-cycles', () => {
  it('bites on two packages that import each other', () => {
    const files = { 'libs/core/kernel/src/index.ts': "import '@godwit/graph';\n", 'libs/core/graph/src/index.ts': "import '@godwit/kernel';\n" };
    expect(objections(coreCycles, files, ...HOUSE)).toEqual([expect.stringMatching(/cycle: @godwit\/graph → @godwit\/kernel → @godwit\/graph/)]);
    expect(objections(coreCycles, { 'libs/core/graph/src/index.ts': "import '@godwit/kernel';\n" }, ...HOUSE)).toEqual([]);
  });
});

describe('declared-dependencies', () => {
  const kernel: Room = { folder: 'libs/core/kernel', layer: 'core' };
  const graph = (room: Partial<Room>) => objections(declaredDependencies, {
    'libs/core/graph/src/graph.ts': "import { x } from '@godwit/kernel';\n", 'libs/core/graph/src/graph.spec.ts': "import { y } from '@godwit/testing';\n",
  }, kernel, { folder: 'libs/testing', layer: 'testing' }, { folder: 'libs/core/graph', layer: 'core', dependencies: ['@godwit/kernel'], devDependencies: ['@godwit/testing'], references: ['libs/core/kernel'], ...room });

  it('has nothing against what fits', () => expect(graph({})).toEqual([]));
  it('names what is missing', () => {
    expect(graph({ dependencies: [] })).toEqual(['libs/core/graph/package.json:0 dependencies lack @godwit/kernel']);
    expect(graph({ devDependencies: [] })).toEqual(['libs/core/graph/package.json:0 devDependencies lack @godwit/testing']);
    expect(graph({ references: [] })).toEqual(['libs/core/graph/tsconfig.json:0 references lack libs/core/kernel']);
  });
  it('counts a project inside the package as part of it', () => {
    const inner = { 'libs/core/graph/threads/tsconfig.json': JSON.stringify({ include: ['*.ts'], references: [{ path: '../../kernel' }] }), 'libs/core/graph/threads/a.ts': "import '@godwit/kernel';\n" };
    const own = (references: readonly string[]) => objections(declaredDependencies, inner, kernel, { folder: 'libs/core/graph', layer: 'core', dependencies: ['@godwit/kernel'], references });
    expect(own(['libs/core/graph/threads'])).toEqual([]);
    expect(own(['libs/core/kernel'])).toEqual([expect.stringContaining('only specs import'), expect.stringContaining('references name libs/core/kernel')]);
  });
  it('names what is superfluous', () => {
    expect(graph({ dependencies: ['@godwit/kernel', '@godwit/testing'], devDependencies: [] })).toEqual([expect.stringContaining('belongs to devDependencies')]);
    expect(graph({ dependencies: ['@godwit/kernel', '@godwit/wire'] })).toEqual([expect.stringContaining('dependencies name @godwit/wire, which nothing imports')]);
    expect(graph({ devDependencies: ['@godwit/testing', '@godwit/wire'] })).toEqual([expect.stringContaining('devDependencies name @godwit/wire')]);
    expect(graph({ references: ['libs/core/kernel', 'libs/testing'] })).toEqual([expect.stringContaining('references name libs/testing')]);
  });
});
