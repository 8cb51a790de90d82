/** Which column of a table is the time, which tells entities apart, and which are values. */
import { refuse, type Refusal } from '@godwit/kernel';
import { timeFormOf, type TimeForm } from './instants.js';

/** What the user says about a table; what is not said is found out. */
export interface ColumnChoice {
  readonly time?: string;
  readonly entity?: string;
  /** Every column of numbers by default. */
  readonly values?: readonly string[];
}

export interface Columns {
  readonly time: number;
  readonly timeForm: TimeForm;
  readonly entity: number | undefined;
  /** Columns that may be values; those that turn out to hold text are dropped, unless they were asked for. */
  readonly values: readonly number[];
  readonly valuesAskedFor: boolean;
}

const TIME_NAMES = ['t', 'time', 'ts', 'timestamp', 'date', 'datetime', 'time_s', 'time_ms', 't_s', 't_ms', 'timestamp_ms', 'epoch', '_time', '@timestamp', 'unix_time', 'unixtime', 'time_stamp'];
const ENTITY_NAMES = ['entity', 'id', 'instance', 'host', 'hostname', 'machine', 'machine_id', 'node', 'vm', 'vm_id', 'pod', 'container', 'device', 'thread', 'server', 'service', 'series', 'name', 'unique_id', 'item_id'];

/** @param sample the first rows, to look at. @returns a refusal that names the column at fault. */
export function findColumns(header: readonly string[], sample: readonly (readonly string[])[], choice: ColumnChoice): Columns | Refusal {
  const names = header.map((name) => name.trim());
  const known = `the columns are ${names.join(', ')}`;
  const asked = [choice.time, choice.entity, ...(choice.values ?? [])].filter((name) => name !== undefined);
  const missing = asked.find((name) => !names.includes(name));
  if (missing !== undefined) return refuse('invalid-field', `there is no column ${missing}: ${known}`, missing);
  const twice = names.find((name, i) => name !== '' && names.indexOf(name) !== i);
  if (twice !== undefined) return refuse('invalid-field', `the header has ${twice} twice`, twice);
  const cellsOf = (column: number): string[] => sample.map((cells) => cells[column] ?? '');
  const byName = (wanted: readonly string[]): number => wanted.map((name) => names.findIndex((each) => each.toLowerCase() === name)).find((index) => index >= 0) ?? -1;

  const time = choice.time === undefined ? byName(TIME_NAMES) : names.indexOf(choice.time);
  if (time < 0) return refuse('invalid-field', `no column looks like the time: ${known}; name it with --time`, 'time');
  const timeForm = timeFormOf(names[time]!, cellsOf(time));
  if (timeForm === undefined) return refuse('invalid-field', `column ${names[time]} holds no times (a number, or ISO 8601): "${cellsOf(time).find((cell) => cell.trim() !== '') ?? ''}"`, names[time]!);
  const found = choice.entity === undefined ? byName(ENTITY_NAMES) : names.indexOf(choice.entity);
  const entity = found < 0 || found === time || choice.values?.includes(names[found]!) ? undefined : found;
  const values = choice.values?.map((name) => names.indexOf(name)) ?? names.map((_, i) => i).filter((i) => i !== time && i !== entity);
  if (values.length === 0) return refuse('invalid-field', `no column is left for the values: ${known}`, 'value');
  return { time, timeForm, entity, values, valuesAskedFor: choice.values !== undefined };
}
