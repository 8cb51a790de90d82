import type { Refusal } from '@godwit/kernel';
import type { RecordedSeries } from '@godwit/evaluation';
import type { ColumnChoice } from './columns.js';
import { readCsv } from './csv-file.js';
import { readParquet } from './parquet-file.js';
import { queryPrometheus, type RangeQuery } from './prometheus.js';

export interface SourceOptions extends ColumnChoice, Omit<RangeQuery, 'url'> {}

/**
 * Reads series from where they are: an http(s) address is a Prometheus server, a file whose name ends in .parquet is Parquet, and
 * any other file is CSV, packed by gzip or not. Nothing is written. Refusals name the source, the line or row, and the field.
 */
export function readSeries(source: string, options: SourceOptions): Promise<readonly RecordedSeries[] | Refusal> {
  if (/^https?:\/\//i.test(source)) return queryPrometheus({ ...options, url: source });
  return /\.parquet$/i.test(source) ? readParquet(source, options) : readCsv(source, options);
}
