import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Tree } from '../spec-kit/tree.js';
import { KeptFile } from './kept-file.js';
import { Rate } from './rate.js';
import { Scanner, word } from './scanner.js';

let tree: Tree;
beforeEach(() => {
  tree = new Tree();
});
afterEach(() => tree[Symbol.dispose]());

function scan(text: string): Scanner {
  tree.put('proc/file', text);
  const file = new KeptFile(`${tree.procRoot}/file`);
  const scanner = new Scanner();
  scanner.begin(file.readRecord(0));
  file.close();
  return scanner;
}

describe('Scanner', () => {
  it('does not believe a number whose end was cut off', () => {
    expect(scan('123').integer()).toBe(-1);
    expect(scan('123\n').integer()).toBe(123);
    expect(scan('4.5').decimal()).toBeNaN();
  });

  it('reads signed decimals', () => {
    expect(scan('-12.50 ').decimal()).toBe(-12.5);
    expect(scan('0.05\n').decimal()).toBe(0.05);
    expect(scan('x').decimal()).toBeNaN();
  });

  it('does not find words behind the end, in what an earlier read left', () => {
    scan('first second\n');
    expect(scan('first').seek(word('second'))).toBe(false);
  });
});

describe('KeptFile', () => {
  it('reads a file that is longer than its buffer', () => {
    tree.put('proc/long', `${'0 '.repeat(100_000)}7\n`);
    const file = new KeptFile(`${tree.procRoot}/long`);
    expect(file.readWhole(0)).toBe(200_002);
    file.close();
  });

  it('says that there is no such file', () => {
    const file = new KeptFile(`${tree.procRoot}/none`);
    expect(file.readRecord(0)).toBe(-1);
    expect(file.failure).toContain('no such file');
  });
});

describe('Rate', () => {
  it('needs two readings and some time, and starts anew after a reset', () => {
    const rate = new Rate();
    expect([rate.next(10, 0), rate.next(20, 1000), rate.next(99, 1000), rate.next(5, 2000), rate.next(7, 4000)]).toEqual([undefined, 10, undefined, undefined, 1]);
  });
});
