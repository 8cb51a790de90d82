import { LEVELS } from '@godwit/forecasting';
import { forecastPicture, type PictureInput } from './index.js';

const path = (steps: number): number[] => Array.from({ length: steps * LEVELS.length }, (_, i) => 10 + Math.floor(i / LEVELS.length) + (i % LEVELS.length));
const INPUT: PictureInput = { title: 'node <5> & co', stepMs: 1_000, history: [9, 12, NaN, 11, 10], path: path(4), actual: [11, NaN, 13, 14], threshold: 17 };
const attributes = (svg: string, name: string): string[] => [...svg.matchAll(new RegExp(` ${name}="([^"]*)"`, 'g'))].map(([, value]) => value!);
const pointsOf = (text: string): { x: number; y: number }[] => text.split(' ').map((pair) => { const [x, y] = pair.split(',').map(Number); return { x: x!, y: y! }; });

/** Opening and closing tags match; answers the names of the elements. */
function elements(svg: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  for (const [, closing, name, , empty] of svg.matchAll(/<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<]*")*)(\/?)>/g)) {
    if (closing) expect(open.pop()).toBe(name);
    else {
      names.push(name!);
      if (!empty) open.push(name!);
    }
  }
  expect(open).toEqual([]);
  return names;
}

describe('a picture of a forecast', () => {
  it('is well-formed, says its title, and every number in it is finite', () => {
    const svg = forecastPicture(INPUT);
    const names = elements(svg);
    expect(names.filter((name) => name === 'polygon')).toHaveLength(3);
    expect((svg.match(/</g) ?? []).length).toBe(names.length + (svg.match(/<\//g) ?? []).length);
    expect(svg).toContain('<title>node &lt;5&gt; &amp; co</title>');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
  it('lays the narrower bands inside the wider ones, and the median inside of all', () => {
    const svg = forecastPicture(INPUT);
    const bands = [...svg.matchAll(/<polygon [^>]*points="([^"]*)"/g)].map(([, text]) => pointsOf(text!).slice(1));
    const ends = bands.map((points) => ({ high: points.slice(0, 4), low: points.slice(4).reverse() }));
    for (let step = 0; step < 4; step++) {
      const ys = [...ends.map(({ high }) => high[step]!.y), ...ends.toReversed().map(({ low }) => low[step]!.y)];
      expect(ys).toEqual([...ys].sort((a, b) => a - b));
    }
    expect(bands).toHaveLength(3);
  });
  it('breaks a line where a sample is missing', () => {
    const without = forecastPicture({ ...INPUT, history: [9, 12, 11.5, 11, 10], actual: [11, 12, 13, 14] });
    expect(attributes(forecastPicture(INPUT), 'stroke-linejoin')).toHaveLength(5);
    expect(attributes(without, 'stroke-linejoin')).toHaveLength(3);
  });
  it('keeps everything inside of its frame', () => {
    const svg = forecastPicture({ ...INPUT, threshold: 400 });
    const drawn = attributes(svg, 'points').flatMap(pointsOf);
    expect(drawn.every(({ x, y }) => x >= 0 && x <= 880 && y >= 0 && y <= 360)).toBe(true);
    expect(attributes(svg, 'y1').map(Number).every((y) => y >= 0 && y <= 360)).toBe(true);
  });
  it.each([
    ['nothing at all', { history: [], path: [], actual: [] }], ['values that never change', { history: [3, 3], path: new Float64Array(9).fill(3), actual: [3], threshold: 3 }],
    ['what is missing', { history: [NaN, NaN], path: path(1), actual: [NaN] }], ['large numbers', { history: [4e12, 5e12], path: path(1).map((value) => value * 1e12), actual: [] }],
  ])('can be drawn of %s', (_what, input: Partial<PictureInput>) => {
    const { threshold: _none, ...rest } = INPUT;
    const svg = forecastPicture({ ...rest, ...input });
    elements(svg);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
  it('leaves out of the legend what is not drawn', () => {
    const { threshold: _none, ...rest } = INPUT;
    expect(forecastPicture({ ...rest, actual: [] })).not.toMatch(/what happened|capacity/);
    expect(forecastPicture(INPUT)).toMatch(/what happened[^]*capacity/);
  });
});
