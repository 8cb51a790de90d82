/** How a file tells time: seconds, milliseconds, … since 1970 or since its own beginning, or ISO 8601. */
export type TimeForm = { readonly kind: 'number'; readonly unitMs: number } | { readonly kind: 'iso' };

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;
/** A number above it can only be of the finer unit: 1e11 s is the year 5138. */
const UNITS = [{ above: 1e17, unitMs: 1e-6 }, { above: 1e14, unitMs: 1e-3 }, { above: 1e11, unitMs: 1 }] as const;
const NAMED: readonly (readonly [RegExp, number])[] = [[/(^|[_ (.-])ns\)?$|nanos/i, 1e-6], [/(^|[_ (.-])us\)?$|micros/i, 1e-3], [/(^|[_ (.-])ms\)?$|millis/i, 1]];

/**
 * The form of a column from its name and its first filled cells: a unit at the end of the name (`t_ms`) counts first, then the
 * magnitude; small numbers are seconds. Undefined where some cell is neither a number nor ISO 8601.
 */
export function timeFormOf(name: string, cells: readonly string[]): TimeForm | undefined {
  const filled = cells.map((cell) => cell.trim()).filter((cell) => cell !== '');
  if (filled.length === 0) return undefined;
  if (filled.every((cell) => ISO.test(cell))) return { kind: 'iso' };
  const numbers = filled.map(Number);
  if (!numbers.every(Number.isFinite)) return undefined;
  const named = NAMED.find(([pattern]) => pattern.test(name));
  const most = Math.max(...numbers.map(Math.abs));
  return { kind: 'number', unitMs: named?.[1] ?? UNITS.find(({ above }) => most > above)?.unitMs ?? 1_000 };
}

/** Milliseconds; NaN for what is not of this form. An ISO time without a zone is UTC. */
export function instantMsOf(form: TimeForm, cell: string): number {
  const text = cell.trim();
  if (form.kind === 'number') return text === '' ? NaN : Number(text) * form.unitMs;
  const [, date, time = '00:00', zone = 'Z'] = ISO.exec(text) ?? [];
  if (date === undefined) return NaN;
  const offset = /^[+-]\d{2}$/.test(zone) ? `${zone}:00` : zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2').toUpperCase();
  return Date.parse(`${date}T${time.replace(',', '.')}${offset}`);
}
