import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { parse } from "csv-parse/sync";
import { ConfigError } from "../../index.ts";
import { createPriceTable, type DailyBar, type PriceTable, setBar } from "./price-table.ts";

// Column names as the usual sources write them, compared without case, blanks, `_` and `-`.
const COLUMNS = {
  date: ["date", "day", "timestamp"],
  open: ["open"],
  high: ["high"],
  low: ["low"],
  close: ["close"],
  adjusted: ["adjclose", "adjustedclose"],
  instrument: ["symbol", "ticker", "instrument", "name"],
} as const;

const MISSING = new Set(["", "na", "n/a", "nan", "null", "-"]);

type Column = keyof typeof COLUMNS;
type Series = Map<string, DailyBar>;

/** A row of a CSV file, and where it stands: for messages. */
interface Row {
  readonly where: string;
  readonly cells: Readonly<Record<string, string>>;
}

/**
 * Reads daily prices from CSV files with a header line.
 *
 * A file holds one instrument, named after the file, or several, told apart by a column `symbol`, `ticker`,
 * `instrument` or `name`. Needed columns: date (YYYY-MM-DD), open, high, low, close; others are ignored. With a column
 * `adjclose` all four prices are scaled by adjclose / close, so that a split or a dividend is no loss.
 *
 * The calendar holds every date of any instrument. A row that lacks a price (empty, `NA`, `NaN`, `null`, `-`), and a
 * date that an instrument does not have, is missing data; a text that is no number, a price <= 0 or a date given twice
 * is an error.
 *
 * @throws ConfigError naming file, line and column
 */
export function readCsvPrices(files: readonly string[]): PriceTable {
  const series = new Map<string, Series>();
  for (const file of files) readFile(file, series);
  if (series.size === 0) throw new ConfigError(`No prices in ${files.join(", ")}: the files hold no rows`);
  const dates = [...new Set([...series.values()].flatMap((days) => [...days.keys()]))].sort();
  const dayOf = new Map(dates.map((date, day) => [date, day]));
  const table = createPriceTable([...series.keys()], dates);
  for (const [instrument, days] of [...series.values()].entries()) {
    for (const [date, bar] of days) setBar(table, dayOf.get(date) as number, instrument, bar);
  }
  return table;
}

function readFile(file: string, series: Map<string, Series>): void {
  const rows = parseRows(file);
  const first = rows[0];
  if (first === undefined) return;
  const columnOf = findColumns(file, Object.keys(first.cells));
  for (const row of rows) {
    // Of a column that was found: every row has a cell for each name of the header, or the parser has refused the file.
    const cell = (column: Column) => (row.cells[columnOf[column] as string] as string).trim();
    const instrument = columnOf.instrument === undefined ? basename(file, extname(file)) : cell("instrument");
    const date = /^\d{4}-\d{2}-\d{2}/.exec(cell("date"))?.[0];
    if (date === undefined) {
      throw new ConfigError(`${row.where}: expected a date as YYYY-MM-DD, got ${JSON.stringify(cell("date"))}`);
    }
    const days = series.get(instrument) ?? new Map<string, DailyBar>();
    series.set(instrument, days);
    if (days.has(date)) throw new ConfigError(`${row.where}: ${instrument} has two rows for ${date}`);
    days.set(date, readBar(row.where, cell, columnOf.adjusted !== undefined));
  }
}

function parseRows(file: string): Row[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ConfigError(`Cannot read the price file ${file}: ${(cause as Error).message}`, {
      cause,
      hint: "Name the CSV files under environmentOptions.data.files in varve.config.json, relative to the current folder.",
    });
  }
  try {
    const records = parse<{ record: Record<string, string>; info: { lines: number } }>(text, {
      columns: true,
      bom: true,
      info: true,
      skip_empty_lines: true,
    });
    return records.map(({ record, info }) => ({ where: `${file} line ${info.lines}`, cells: record }));
  } catch (cause) {
    throw new ConfigError(`${file} is not a CSV file with a header line: ${(cause as Error).message}`, { cause });
  }
}

function findColumns(file: string, names: readonly string[]): Partial<Record<Column, string>> {
  const found: Partial<Record<Column, string>> = {};
  for (const [column, spellings] of Object.entries(COLUMNS) as [Column, readonly string[]][]) {
    const name = names.find((candidate) => spellings.includes(candidate.toLowerCase().replaceAll(/[\s_-]/g, "")));
    if (name !== undefined) found[column] = name;
    else if (column !== "adjusted" && column !== "instrument") {
      throw new ConfigError(`${file} has no column \`${column}\`; there are: ${names.join(", ")}`);
    }
  }
  return found;
}

function readBar(where: string, cell: (column: Column) => string, adjusted: boolean): DailyBar {
  const price = (column: Column): number => {
    const text = cell(column);
    if (MISSING.has(text.toLowerCase())) return Number.NaN;
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0) {
      throw new ConfigError(`${where}: expected \`${column}\` to be a price above 0, got ${JSON.stringify(text)}`);
    }
    return value;
  };
  const close = price("close");
  const factor = adjusted ? price("adjusted") / close : 1;
  const bar = {
    open: price("open") * factor,
    high: price("high") * factor,
    low: price("low") * factor,
    close: close * factor,
  };
  const wrong = Object.entries(bar).find(([, value]) => value === Number.POSITIVE_INFINITY || value === 0);
  if (wrong !== undefined) {
    throw new ConfigError(`${where}: \`${wrong[0]}\`, scaled by adjusted / close = ${factor}, is ${wrong[1]}`);
  }
  if (bar.high < bar.low) throw new ConfigError(`${where}: the day's high ${bar.high} lies below its low ${bar.low}`);
  return bar;
}
