export { readSeries, type SourceOptions } from './series-source.js';
export { parseCsv, readCsv } from './csv-file.js';
export { readParquet } from './parquet-file.js';
export { queryPrometheus, type RangeQuery } from './prometheus.js';
export type { ColumnChoice } from './columns.js';
