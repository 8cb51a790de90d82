import { describe, expect, it } from '@jest/globals';
import { Tree } from '../spec-kit/tree.js';
import { hostFacts, parseCpuList } from './index.js';

describe('hostFacts', () => {
  it('reads the recorded machine', () => {
    using tree = Tree.recorded();
    expect(hostFacts(tree)).toEqual({
      bootId: '11111111-2222-4333-8444-555555555555', cpuCount: 2, cpuModel: 'AMD EPYC', architecture: 'x86_64', kernelRelease: '6.18.44-fc-v657',
      memoryBytes: expect.any(Number), numaNodes: [{ node: 0, cpus: [0, 1], memoryBytes: expect.any(Number) }], absences: [],
    });
  });

  it('says what is missing, and gives no made-up value', () => {
    using tree = new Tree();
    const facts = hostFacts(tree);
    expect(facts).toMatchObject({ bootId: undefined, cpuCount: undefined, cpuModel: undefined, memoryBytes: undefined, numaNodes: [] });
    expect(facts.absences.map(({ metric }) => metric).sort()).toEqual(['bootId', 'cpuCount', 'cpuModel', 'kernelRelease', 'memoryBytes', 'numaNodes']);
  });

  it('names an arm64 server by its maker and part', () => {
    using tree = new Tree();
    tree.put('proc/cpuinfo', 'processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n');
    expect(hostFacts(tree).cpuModel).toBe('implementer 0x41 part 0xd0c');
  });

  it('gives the same boot id twice on this machine', () => {
    expect(hostFacts().bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(hostFacts().bootId).toBe(hostFacts().bootId);
  });
});

describe('parseCpuList', () => {
  it.each([['0-3,8\n', [0, 1, 2, 3, 8]], ['5', [5]], ['', undefined], ['3-1', undefined], ['0-9999999', undefined], ['a', undefined]])('parses %j', (list, cpus) => {
    expect(parseCpuList(list)).toEqual(cpus);
  });
});
