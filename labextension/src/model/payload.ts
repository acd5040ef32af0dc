/**
 * Request bodies: the formats, how one becomes another, and how a form of the signature becomes one.
 */

/** The formats that the Query page offers; the servers know more. */
export const FORMATS = [
  'dataframe_split',
  'dataframe_records',
  'inputs',
  'instances',
  'csv'
] as const;

/** One of the formats. */
export type Format = (typeof FORMATS)[number];

/** A column of the signature, as MLflow writes it; a tensor has no simple type. */
export interface IColumn {
  name?: string;
  type: string;
  required?: boolean;
  optional?: boolean;
  'tensor-spec'?: { dtype: string; shape: number[] };
}

/** Rows with the names of their columns. */
export interface ITable {
  columns: string[];
  rows: unknown[][];
}

const CSV = 'text/csv';
const JSON_TYPE = 'application/json';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fromRecords(records: unknown): ITable | null {
  if (!Array.isArray(records) || !records.every(isRecord)) {
    return null;
  }
  const columns = [...new Set(records.flatMap(each => Object.keys(each)))];
  const rows = records.map(each => columns.map(name => each[name] ?? null));
  return { columns, rows };
}

function fromColumns(value: unknown): ITable | null {
  if (!isRecord(value) || !Object.values(value).every(Array.isArray)) {
    return null;
  }
  const columns = Object.keys(value);
  const series = Object.values(value) as unknown[][];
  const count = series[0]?.length ?? 0;
  if (series.some(each => each.length !== count)) {
    return null;
  }
  const rows = Array.from({ length: count }, (_, index) =>
    series.map(each => each[index])
  );
  return { columns, rows };
}

/** The table behind a JSON body; nothing for tensors and whatever else is no table. */
export function tableOf(body: unknown): ITable | null {
  if (!isRecord(body)) {
    return null;
  }
  const split = body.dataframe_split;
  if (isRecord(split) && Array.isArray(split.columns)) {
    return {
      columns: split.columns.map(String),
      rows: Array.isArray(split.data) ? (split.data as unknown[][]) : []
    };
  }
  return (
    fromRecords(body.dataframe_records) ??
    fromRecords(body.instances) ??
    fromRecords(body.inputs) ??
    fromColumns(body.inputs)
  );
}

function cell(value: unknown): string {
  const text =
    value === null || value === undefined
      ? ''
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** A table in a format. */
export function write(table: ITable, format: Format): string {
  const { columns, rows } = table;
  const records = rows.map(row =>
    Object.fromEntries(columns.map((name, index) => [name, row[index]]))
  );
  switch (format) {
    case 'csv':
      return [columns, ...rows].map(row => row.map(cell).join(',')).join('\n');
    case 'dataframe_split':
      return pretty({ dataframe_split: { columns, data: rows } });
    case 'inputs':
      return pretty({
        inputs: Object.fromEntries(
          columns.map((name, index) => [name, rows.map(row => row[index])])
        )
      });
    default:
      return pretty({ [format]: records });
  }
}

/** A CSV's table; what looks like a number is one. */
export function readCsv(text: string): ITable | null {
  const lines: string[][] = [[]];
  for (const [, quoted, plain, end] of text
    .trim()
    .matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    lines[lines.length - 1].push(quoted?.replace(/""/g, '"') ?? plain ?? '');
    if (end === '') {
      break;
    }
    if (end !== ',') {
      lines.push([]);
    }
  }
  const [columns, ...rows] = lines;
  if (rows.some(each => each.length !== columns.length)) {
    return null;
  }
  const value = (each: string): unknown =>
    each === '' ? null : Number.isNaN(Number(each)) ? each : Number(each);
  return { columns, rows: rows.map(row => row.map(value)) };
}

/** The input in another format, where it is a table; as it was where it is none. */
export function convert(text: string, format: Format): string {
  let table: ITable | null;
  try {
    table = tableOf(JSON.parse(text));
  } catch {
    table = formatOf(text) === 'csv' ? readCsv(text) : null;
  }
  return table ? write(table, format) : text;
}

/** JSON with short lists on one line, so that a row reads as a row. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /\[\n\s+([^[\]{}]*?)\n\s+\]/g,
    (all, inside: string) => {
      const line = `[${inside.replace(/\n\s+/g, ' ')}]`;
      return line.length <= 100 ? line : all;
    }
  );
}

/** The content type of a format. */
export function contentType(format: Format): string {
  return format === 'csv' ? CSV : JSON_TYPE;
}

/** What kind of body a text is, judged by its keys. */
export function formatOf(text: string): Format | null {
  try {
    const body: unknown = JSON.parse(text);
    return isRecord(body) ? (FORMATS.find(each => each in body) ?? null) : null;
  } catch {
    return text.includes(',') || text.includes('\n') ? 'csv' : null;
  }
}

const NUMBERS = new Set(['integer', 'long', 'float', 'double']);

/** A field's text as a value of its column; text that is no value of it stays text, and the server says what it wants. */
export function valueOf(column: IColumn, text: string): unknown {
  if (text === '') {
    return null;
  }
  if (NUMBERS.has(column.type)) {
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  }
  if (column.type === 'boolean') {
    return text === 'true' ? true : text === 'false' ? false : text;
  }
  if (column.type === 'array' || column.type === 'object') {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

/** The columns for which a form can be made: named ones. */
export function formColumns(inputs: unknown): IColumn[] {
  return Array.isArray(inputs)
    ? inputs.filter(
        (each): each is IColumn =>
          isRecord(each) &&
          typeof each.name === 'string' &&
          each.type !== 'tensor'
      )
    : [];
}
