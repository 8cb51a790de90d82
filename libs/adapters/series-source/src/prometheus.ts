/**
 * Series from a Prometheus server by range queries (its HTTP API v1, `query_range`). A server answers at most 11,000 points a
 * series, so that a longer range is asked for in parts.
 */
import { refuse, isRefusal, type Refusal } from '@godwit/kernel';
import type { RecordedSeries } from '@godwit/evaluation';

export interface RangeQuery {
  /** A server's address, or a whole `query_range` URL, whose parameters then count where an option is missing. */
  readonly url: string;
  /** PromQL. */
  readonly query?: string;
  /** Seconds since 1970 or ISO 8601; an hour before the end by default. */
  readonly start?: string;
  /** Now by default. */
  readonly end?: string;
  readonly stepSeconds?: number;
  readonly token?: string;
  readonly nowMs: number;
  readonly timeoutMs?: number;
}

const MOST_POINTS = 11_000;
/** Parts that one range is asked for in, at most. */
const MOST_PARTS = 100;
const DEFAULT_SPAN_SECONDS = 3_600;
const DEFAULT_TIMEOUT_MS = 30_000;
const PATH = '/api/v1/query_range';

/** @returns the series, each with its labels as the entity and the metric's name as the column; or a refusal that names what was wrong. */
export async function queryPrometheus(asked: RangeQuery): Promise<readonly RecordedSeries[] | Refusal> {
  const range = rangeOf(asked);
  if (isRefusal(range)) return range;
  const byName = new Map<string, { readonly entity: string; readonly column: string; readonly timesMs: number[]; readonly values: number[] }>();
  for (let from = range.start; from <= range.end; from += MOST_POINTS * range.step) {
    const answer = await ask(range, from, Math.min(range.end, from + (MOST_POINTS - 1) * range.step), asked);
    if (isRefusal(answer)) return answer;
    for (const { entity, column, points } of answer) {
      const series = byName.get(`${column}\n${entity}`) ?? { entity, column, timesMs: [], values: [] };
      byName.set(`${column}\n${entity}`, series);
      for (const [seconds, value] of points) {
        series.timesMs.push(seconds * 1_000);
        series.values.push(Number.isFinite(Number(value)) ? Number(value) : NaN);
      }
    }
  }
  if (byName.size === 0) return refuse('not-found', `${range.base}: ${range.query} has no series between ${iso(range.start)} and ${iso(range.end)}`, 'query');
  return [...byName.values()].map(({ entity, column, timesMs, values }) => ({ entity, column, timesMs: Float64Array.from(timesMs), values: Float64Array.from(values) }));
}

interface Range { readonly base: string; readonly query: string; readonly start: number; readonly end: number; readonly step: number }

function rangeOf(asked: RangeQuery): Range | Refusal {
  if (!URL.canParse(asked.url)) return refuse('invalid-field', `${asked.url} is not a URL`, 'url');
  const url = new URL(asked.url);
  const given = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  const query = asked.query ?? given('query');
  if (query === undefined || query.trim() === '') return refuse('invalid-field', `no query for ${url.origin}: give one with --query, or a whole query_range URL`, 'query');
  const end = secondsOf(asked.end ?? given('end') ?? String(asked.nowMs / 1_000));
  if (end === undefined) return refuse('invalid-field', `end: "${asked.end ?? given('end')}" is neither seconds since 1970 nor ISO 8601`, 'end');
  const start = secondsOf(asked.start ?? given('start') ?? String(end - DEFAULT_SPAN_SECONDS));
  if (start === undefined) return refuse('invalid-field', `start: "${asked.start ?? given('start')}" is neither seconds since 1970 nor ISO 8601`, 'start');
  if (!(start < end)) return refuse('invalid-field', `start (${iso(start)}) is not before end (${iso(end)})`, 'start');
  const step = asked.stepSeconds ?? durationOf(given('step') ?? '') ?? Math.max(1, Math.ceil((end - start) / MOST_POINTS));
  if (!(step > 0)) return refuse('invalid-field', `step: ${step} s, above 0 expected`, 'step');
  const points = (end - start) / step;
  if (points > MOST_PARTS * MOST_POINTS) return refuse('invalid-field', `step: ${Math.round(points)} points are asked for, at most ${MOST_PARTS * MOST_POINTS} are fetched: give a longer step`, 'step');
  const folder = url.pathname.endsWith(PATH) ? url.pathname.slice(0, -PATH.length) : url.pathname.replace(/\/$/, '');
  return { base: `${url.origin}${folder}`, query, start, end, step };
}

interface Answered { readonly entity: string; readonly column: string; readonly points: readonly (readonly [number, string])[] }

async function ask(range: Range, from: number, to: number, { token, timeoutMs = DEFAULT_TIMEOUT_MS }: RangeQuery): Promise<readonly Answered[] | Refusal> {
  const parameters = new URLSearchParams({ query: range.query, start: String(from), end: String(to), step: String(range.step) });
  const url = `${range.base}${PATH}?${parameters.toString()}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }) });
    return readAnswer(await response.text(), response.status, range.base);
  } catch (error) {
    const { name, message, cause } = error as Error & { cause?: Error };
    if (name === 'TimeoutError') return refuse('timeout', `${range.base}: no answer within ${timeoutMs / 1_000} s`, 'url');
    return refuse('connection-lost', `${range.base} does not answer: ${cause?.message || message}`, 'url');
  }
}

/** Reads an answer's body; what does not have Prometheus' form is refused. */
export function readAnswer(body: string, status: number, base: string): readonly Answered[] | Refusal {
  const answer = parsed(body);
  if (!isRecord(answer) || (answer['status'] !== 'success' && answer['status'] !== 'error')) return refuse('malformed-message', `${base} answered HTTP ${status} with something that is no Prometheus answer: ${body.slice(0, 80).replaceAll('\n', ' ')}`, 'url');
  if (answer['status'] === 'error') return refuse('invalid-field', `${base}: ${String(answer['errorType'])}: ${String(answer['error'])}`, 'query');
  const data = answer['data'];
  if (!isRecord(data) || data['resultType'] !== 'matrix' || !Array.isArray(data['result'])) return refuse('malformed-message', `${base}: a matrix was expected`, 'data');
  const answered: Answered[] = [];
  for (const [i, one] of (data['result'] as unknown[]).entries()) {
    const points: unknown = isRecord(one) ? one['values'] : undefined;
    const metric: unknown = isRecord(one) ? one['metric'] : undefined;
    if (!isRecord(metric) || !Array.isArray(points) || !points.every(isPoint)) return refuse('malformed-message', `${base}: data.result[${i}] is no series with [time, "value"] pairs`, `data.result[${i}]`);
    const { __name__: name = 'value', ...labels } = metric;
    answered.push({ column: String(name), entity: Object.entries(labels).map(([label, value]) => `${label}=${String(value)}`).join(','), points });
  }
  return answered;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isPoint = (point: unknown): point is readonly [number, string] => Array.isArray(point) && point.length === 2 && Number.isFinite(point[0]) && typeof point[1] === 'string';

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function secondsOf(text: string): number | undefined {
  const seconds = text.trim() === '' ? NaN : Number(text);
  if (Number.isFinite(seconds)) return seconds;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}

/** Seconds of a Prometheus duration: a number, or `30s`, `5m`, `1h30m`; undefined for none. */
function durationOf(text: string): number | undefined {
  if (text === '') return undefined;
  if (Number.isFinite(Number(text))) return Number(text);
  const unit: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  return parts.map(([whole]) => whole).join('') === text ? parts.reduce((sum, [, count, name]) => sum + Number(count) * unit[name!]!, 0) : NaN;
}

const iso = (seconds: number): string => new Date(seconds * 1_000).toISOString();
