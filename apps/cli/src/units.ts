/** Figures for people: three significant digits at most, always with their unit. */
export const NONE = '-';

const trimmed = (value: number, digits: number): string => {
  const text = value.toFixed(digits);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
};

/** `850 ms`, `12.4 s`, `3 m 20 s`, `5 h 2 m`, `3 d 4 h`. */
export function duration(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NONE;
  if (ms < 1_000) return `${trimmed(ms, ms < 10 ? 1 : 0)} ms`;
  if (ms < 59_950) return `${trimmed(ms / 1_000, 1)} s`;
  const seconds = Math.round(ms / 1_000);
  const parts: readonly [number, string][] = [[Math.floor(seconds / 86_400), 'd'], [Math.floor(seconds / 3_600) % 24, 'h'], [Math.floor(seconds / 60) % 60, 'm'], [seconds % 60, 's']];
  const first = parts.findIndex(([count]) => count > 0);
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(' ');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
/** `512 B`, `1.5 MiB`. */
export function bytes(count: number | undefined): string {
  if (count === undefined || !Number.isFinite(count)) return NONE;
  let [value, unit] = [count, 0];
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${trimmed(value, value < 10 && unit > 0 ? 1 : 0)} ${UNITS[unit]!}`;
}

export const figure = (value: number | undefined, digits = 2): string => (value === undefined || !Number.isFinite(value) ? NONE : trimmed(value, digits));
/** A share of one as per cent. */
export const percent = (ratio: number | undefined): string => (ratio === undefined || !Number.isFinite(ratio) ? NONE : `${trimmed(ratio * 100, ratio > 0 && ratio < 0.1 ? 1 : 0)} %`);
/** `14:03:22` of the local day. */
export const clock = (atMs: number): string => new Date(atMs).toTimeString().slice(0, 8);
