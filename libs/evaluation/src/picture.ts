/**
 * A forecast as an SVG picture: history, fan of quantiles, what happened, capacity. Text only, no fonts or scripts of its own; the
 * background is transparent and every colour stands out from white and from black.
 */
import { LEVELS } from '@godwit/forecasting';

export interface PictureInput {
  readonly title: string;
  readonly stepMs: number;
  /** NaN where missing; ends at the time of the forecast. */
  readonly history: ArrayLike<number>;
  /** Steps × LEVELS quantiles, row by row, of the steps that follow. */
  readonly path: ArrayLike<number>;
  /** What happened then; empty where it is not known, NaN where missing. */
  readonly actual: ArrayLike<number>;
  readonly threshold?: number;
}

const WIDTH = 880;
const HEIGHT = 360;
const PLOT = { left: 70, right: 34, top: 62, bottom: 34 } as const;
const TEXT = '#7d858f';
const HISTORY = '#74808f';
const FAN = '#3b82f6';
const HAPPENED = '#e8770c';
const CAPACITY = '#e03c3c';
/** Indices of LEVELS at the ends of the intervals, the widest first, and how opaque each is drawn over the wider ones. */
const BANDS = [{ low: 0, high: 8, opacity: 0.18, name: '95 %' }, { low: 2, high: 6, opacity: 0.25, name: '80 %' }, { low: 3, high: 5, opacity: 0.35, name: '50 %' }] as const;
const MEDIAN = LEVELS.indexOf(0.5);

/** @returns a document; empty axes where no number is finite. */
export function forecastPicture(input: PictureInput): string {
  const steps = Math.floor(input.path.length / LEVELS.length);
  const frame = frameOf(input, steps);
  const path = Array.from(input.path);
  const row = (step: number, level: number): Point => ({ x: frame.x(step + 1), y: frame.y(path[step * LEVELS.length + level]!) });
  const level = (index: number): Point[] => Array.from({ length: steps }, (_, step) => row(step, index));
  const now: Point[] = lastOf(input.history) === undefined ? [] : [{ x: frame.x(0), y: frame.y(lastOf(input.history)!) }];
  const fan = BANDS.map(({ low, high, opacity }) => `<polygon fill="${FAN}" fill-opacity="${opacity}" points="${pointsOf([...now, ...level(high), ...level(low).reverse()])}"/>`);
  const series = (values: ArrayLike<number>, firstStep: number): Point[] => Array.from({ length: values.length }, (_, i) => ({ x: frame.x(firstStep + i), y: frame.y(values[i]!) }));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escaped(input.title)}</title>`,
    `<text x="${PLOT.left}" y="22" font-size="15" fill="${TEXT}">${escaped(input.title)}</text>`,
    ...legend(input),
    ...frame.axes,
    ...fan,
    ...polylines(level(MEDIAN), `stroke="${FAN}" stroke-width="2"`),
    ...polylines(series(input.history, 1 - input.history.length), `stroke="${HISTORY}" stroke-width="1.3"`),
    ...polylines(now.length === 0 ? series(input.actual, 1) : [...now, ...series(input.actual, 1)], `stroke="${HAPPENED}" stroke-width="1.8"`),
    `<line x1="${coordinate(frame.x(0))}" x2="${coordinate(frame.x(0))}" y1="${PLOT.top}" y2="${HEIGHT - PLOT.bottom}" stroke="${TEXT}" stroke-dasharray="2 3"/>`,
    ...(input.threshold === undefined || !Number.isFinite(input.threshold) ? [] : [`<line x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${coordinate(frame.y(input.threshold))}" y2="${coordinate(frame.y(input.threshold))}" stroke="${CAPACITY}" stroke-width="1.5" stroke-dasharray="8 4"/>`]),
    '</svg>',
  ].join('\n');
}

interface Point { readonly x: number; readonly y: number }
interface Frame { readonly x: (step: number) => number; readonly y: (value: number) => number; readonly axes: readonly string[] }

function frameOf({ history, path, actual, threshold, stepMs }: PictureInput, steps: number): Frame {
  const values = [...Array.from(history), ...Array.from(path), ...Array.from(actual), threshold ?? NaN].filter(Number.isFinite);
  const [least, most] = values.length === 0 ? [0, 1] : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const pad = most > least ? (most - least) * 0.04 : Math.max(1e-9, Math.abs(most) * 0.1) || 1;
  const [low, high] = [least - pad, most + pad];
  const [first, last] = [-Math.max(1, history.length - 1), Math.max(1, steps, actual.length)];
  const x = (step: number): number => PLOT.left + ((step - first) / (last - first)) * (WIDTH - PLOT.left - PLOT.right);
  const y = (value: number): number => PLOT.top + ((high - value) / (high - low)) * (HEIGHT - PLOT.top - PLOT.bottom);
  const rows = ticks(low, high, 5).map((value) => `<line x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${coordinate(y(value))}" y2="${coordinate(y(value))}" stroke="${TEXT}" stroke-opacity="0.25"/><text x="${PLOT.left - 8}" y="${coordinate(y(value) + 4)}" text-anchor="end" fill="${TEXT}">${shortNumber(value)}</text>`);
  const unit = timeUnit(stepMs * (last - first));
  const columns = ticks((first * stepMs) / unit.ms, (last * stepMs) / unit.ms, 8).map((time) => `<text x="${coordinate(x((time * unit.ms) / stepMs))}" y="${HEIGHT - 12}" text-anchor="middle" fill="${TEXT}">${time === 0 ? 'now' : `${time > 0 ? '+' : '−'}${shortNumber(Math.abs(time))} ${unit.name}`}</text>`);
  return { x, y, axes: [...rows, ...columns] };
}

function legend({ actual, threshold }: PictureInput): string[] {
  const entries = [
    { text: 'history', mark: `stroke="${HISTORY}" stroke-width="1.5"` }, { text: 'median', mark: `stroke="${FAN}" stroke-width="2"` },
    ...BANDS.toReversed().map(({ name, opacity }) => ({ text: name, mark: `stroke="${FAN}" stroke-width="10" stroke-opacity="${opacity + 0.1}"` })),
    ...(actual.length === 0 ? [] : [{ text: 'what happened', mark: `stroke="${HAPPENED}" stroke-width="2"` }]),
    ...(threshold === undefined ? [] : [{ text: 'capacity', mark: `stroke="${CAPACITY}" stroke-width="1.5" stroke-dasharray="8 4"` }]),
  ];
  let at: number = PLOT.left;
  return entries.map(({ text, mark }) => {
    const drawn = `<line x1="${at}" x2="${at + 24}" y1="40" y2="40" ${mark}/><text x="${at + 30}" y="44" fill="${TEXT}">${text}</text>`;
    at += 48 + 7 * text.length;
    return drawn;
  });
}

/** Lines through points, broken where one is missing. */
function polylines(points: readonly Point[], style: string): string[] {
  const runs: Point[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point.y)) runs[runs.length - 1]!.push(point);
    else if (runs[runs.length - 1]!.length > 0) runs.push([]);
  }
  // A lone point would not show as a line.
  return runs.filter((run) => run.length > 0).map((run) => `<polyline fill="none" stroke-linejoin="round" stroke-linecap="round" ${style} points="${pointsOf(run.length === 1 ? [run[0]!, run[0]!] : run)}"/>`);
}

const pointsOf = (points: readonly Point[]): string => points.filter(({ y }) => Number.isFinite(y)).map(({ x, y }) => `${coordinate(x)},${coordinate(y)}`).join(' ');
const coordinate = (value: number): string => String(Math.round(value * 100) / 100);

function lastOf(values: ArrayLike<number>): number | undefined {
  const last = values[values.length - 1];
  return last === undefined || !Number.isFinite(last) ? undefined : last;
}

/** Round numbers between two bounds, about so many. */
function ticks(low: number, high: number, about: number): number[] {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
}

const TIME_UNITS = [{ name: 'd', ms: 86_400_000 }, { name: 'h', ms: 3_600_000 }, { name: 'min', ms: 60_000 }, { name: 's', ms: 1_000 }] as const;
const timeUnit = (spanMs: number): { readonly name: string; readonly ms: number } => TIME_UNITS.find(({ ms }) => spanMs >= 4 * ms) ?? { name: 'ms', ms: 1 };

function shortNumber(value: number): string {
  const size = Math.abs(value);
  const [scale, suffix] = size >= 1e12 ? [1e12, 'T'] : size >= 1e9 ? [1e9, 'G'] : size >= 1e6 ? [1e6, 'M'] : size >= 1e4 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / scale).toPrecision(6))}${suffix}`;
}

// XML 1.0 has no way to write them.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g;
const escaped = (text: string): string => text.replace(CONTROL, ' ').replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
