import { describe, expect, it } from '@jest/globals';
import { isImageName, judgeImages, type ImageFile } from './image-check.js';
import { DamagedImage, readEntries, readFields } from './image-reader.js';

const OWNER = { userId: 70_001, inside: '/srv/cells/thread' };

const varint = (value: number): number[] => (value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]);
const numeric = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const message = (field: number, content: readonly number[]): number[] => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field: number, value: string): number[] => message(field, [...Buffer.from(value)]);

function image(name: string, ...entries: readonly number[][]): ImageFile {
  const head = [0x19, 0x43, 0x56, 0x54, 0, 0, 0, 0];
  const body = entries.flatMap((entry) => [entry.length & 0xff, entry.length >> 8, 0, 0, ...entry]);
  return { name, bytes: new Uint8Array([...head, ...body]) };
}
const core = (ids: readonly number[], more: readonly number[] = []): ImageFile =>
  image('core-301.img', message(5, message(10, [...ids.flatMap((id, i) => numeric(i + 1, id)), ...numeric(9, 0), ...more])));
const own = core(Array.from({ length: 8 }, () => OWNER.userId));
const file = (name: string, flags: number): number[] => [...numeric(1, 1), ...numeric(2, 7), ...message(3, [...numeric(1, 7), ...numeric(2, flags), ...text(6, name)])];
const set = (process: ImageFile, ...files: number[][]): ImageFile[] => [image('files.img', ...files), image('inventory.img'), image('pstree.img'), process];

describe('the images of a process', () => {
  it('pass when they are those of a program without privileges', () => {
    expect(judgeImages(set(own, file('/bin/sh', 0o100000), file('/dev/null', 2), file('/srv/cells/thread/out', 1), [...numeric(1, 2)]), OWNER)).toBeUndefined();
  });

  it('pass with a process that has ended, which has no credentials any more', () => {
    expect(judgeImages([...set(own), { ...image('core-302.img', message(3, numeric(1, 2))) }], OWNER)).toBeUndefined();
  });

  it.each<[string, ImageFile[], RegExp]>([
    ['a process that lives has no credentials', set(image('core-301.img', message(3, numeric(1, 3)))), /without credentials/],
    ['one of eight ids is root’s', set(core([...Array.from({ length: 7 }, () => OWNER.userId), 0])), /another user or group id/],
    ['an id is missing', set(core(Array.from({ length: 7 }, () => OWNER.userId))), /another user or group id/],
    ['there is a capability', set(core(Array.from({ length: 8 }, () => OWNER.userId), numeric(11, 1 << 21))), /capabilities/],
    ['there is a capability, packed', set(core(Array.from({ length: 8 }, () => OWNER.userId), message(10, [0, 1]))), /capabilities/],
    ['there is a further group', set(core(Array.from({ length: 8 }, () => OWNER.userId), numeric(14, 0))), /further groups/],
    ['a process has no credentials', set(image('core-301.img', message(5, []))), /without credentials/],
    ['nothing runs in them', [image('files.img'), image('inventory.img'), image('pstree.img')], /no process/],
    ['a part is missing', [own, image('inventory.img'), image('files.img')], /pstree.img is missing/],
    ['a file is open that root alone may read', set(own, file('/etc/shadow', 0)), /not readable for everybody/],
    ['a file is open for writing', set(own, file('/etc/hostname', 1)), /for writing/],
    ['a file is not here', set(own, file('/nowhere/at/all', 0)), /not here/],
    ['a name leads out of its folder', set(own, file('/srv/cells/thread/../../shadow', 0)), /has the name/],
    ['a name is no absolute path', set(own, file('etc/passwd', 0)), /has the name/],
    ['a device is open', set(own, file('/dev/sda', 0)), /machine’s own/],
    ['the memory of another process is open', set(own, file('/proc/1/mem', 0)), /machine’s own/],
    ['a namespace is open', set(own, [...numeric(1, 14)]), /a namespace/],
    ['a terminal is open', set(own, [...numeric(1, 11)]), /a terminal/],
    ['a kind is unknown', set(own, [...numeric(1, 99)]), /kind 99/],
    ['a socket has a name', set(own, [...numeric(1, 5), ...message(16, text(11, '/run/docker.sock'))]), /unix socket/],
    ['a deleted file is open', [...set(own), image('ghost-file-1.img')], /deleted file/],
    ['network rules come along', [...set(own), image('iptables-5.img')], /not one of a program/],
    ['an entry is longer than its file', [...set(own).slice(1), { name: 'files.img', bytes: image('files.img', file('/bin/sh', 0)).bytes.subarray(0, 20) }], /cut off/],
  ])('are refused when %s', (_what, images, reason) => {
    expect(judgeImages(images, OWNER)).toMatch(reason);
  });

  it.each(['core-1.img', 'pages-12.img', 'cpuinfo.img', 'fifo-data.img'])('may be named %s', (name) => expect(isImageName(name)).toBe(true));
  it.each(['../core-1.img', 'core-1.img/x', 'core-.img', 'core-1.img\0', 'mountpoints-9.img', 'cgroup.img', 'criu.log', '', 'a'.repeat(10_000)])('may not be named %j', (name) => {
    expect(isImageName(name)).toBe(false);
  });
});

describe('an image file', () => {
  it('is read to its end or refused, at every length', () => {
    const whole = image('x.img', [...numeric(1, 300), ...text(2, 'hello')], [...numeric(3, 2 ** 40)]).bytes;
    const boundaries = new Set([8, 8 + 4 + 10, whole.length]);
    for (let length = 0; length <= whole.length; length++) {
      const read = (): unknown => readEntries(whole.subarray(0, length)).map(readFields);
      if (boundaries.has(length)) expect(read).not.toThrow();
      else expect(read).toThrow(DamagedImage);
    }
    expect(readFields(readEntries(whole)[1]!)).toEqual([{ number: 3, value: 2n ** 40n }]);
  });
  it.each([['a number of eleven bytes', [8, ...Array.from({ length: 10 }, () => 0xff), 1]], ['a group', [3]], ['a length beyond the end', [10, 5, 1]]])('is refused with %s', (_what, bytes) => {
    expect(() => readFields(new Uint8Array(bytes))).toThrow(DamagedImage);
  });
});
