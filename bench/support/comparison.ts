import { z } from "zod";

/** What `--json` writes, as far as two of them are compared. */
const figureSchema = z.object({
  median: z.number(),
  min: z.number(),
  max: z.number(),
  count: z.number(),
  unit: z.string(),
});

const rowSchema = z.object({
  quantity: z.string(),
  varve: figureSchema,
  ratio: figureSchema.optional(),
  control: figureSchema.extend({ name: z.string() }).optional(),
  better: z.enum(["more", "less"]).optional(),
  target: z.object({ text: z.string(), reached: z.boolean() }).optional(),
});

const runSchema = z.object({
  machine: z.object({ cpu: z.string(), cores: z.number(), memoryGiB: z.number(), commit: z.string() }),
  quick: z.boolean(),
  benches: z.array(z.object({ bench: z.string(), rows: z.array(rowSchema) })),
});

export type Run = z.infer<typeof runSchema>;
type Row = z.infer<typeof rowSchema>;
type Figure = z.infer<typeof figureSchema>;

/** One quantity of both runs whose median moved by more than the repetitions of either run lie apart. */
export interface Change {
  /** "bench: quantity, against control". */
  readonly key: string;
  readonly before: Figure;
  readonly after: Figure;
  readonly isBetter: boolean;
}

export interface Comparison {
  readonly changes: readonly Change[];
  /** Quantities that both runs have. */
  readonly compared: number;
  /** Keys of what only one of the runs measured. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

/**
 * Reads what `--json` wrote.
 *
 * @throws SyntaxError, ZodError when it is something else
 */
export function parseRun(json: string): Run {
  return runSchema.parse(JSON.parse(json));
}

/** Why two runs cannot be compared, in words; null if they can. */
export function describeMismatch(before: Run, after: Run): string | null {
  for (const [which, run] of Object.entries({ before, after })) {
    if (run.quick) return `the run ${which} is a --quick one, whose figures mean nothing`;
  }
  const machineOf = ({ machine: { cpu, cores, memoryGiB } }: Run): string => `${cores} × ${cpu}, ${memoryGiB} GiB`;
  const [first, second] = [machineOf(before), machineOf(after)];
  return first === second ? null : `they were measured on different machines: ${first}; ${second}`;
}

/** Finds what moved by more than either run's own repetitions spread. */
export function compareRuns(before: Run, after: Run): Comparison {
  const [old, fresh] = [rowsByKey(before), rowsByKey(after)];
  const shared = [...old].filter(([key]) => fresh.has(key));
  const changes = shared.flatMap(([key, row]) => changesOf(key, row, fresh.get(key) as Row));
  return {
    changes,
    compared: shared.length,
    onlyBefore: [...old.keys()].filter((key) => !fresh.has(key)),
    onlyAfter: [...fresh.keys()].filter((key) => !old.has(key)),
  };
}

interface Placed {
  readonly bench: string;
  readonly row: Row;
}

function rowsByKey(run: Run): Map<string, Row> {
  const placed = run.benches.flatMap(({ bench, rows }) => rows.map((row): Placed => ({ bench, row })));
  return new Map(placed.map((each) => [keyOf(each), each.row]));
}

/** Quantities tell what a run counted as well (saves made, MB stored): that names nothing. */
const COUNTED = / during \d+ saves| \([\d.]+ MB[^)]*\)| of [\d.]+ MB(?= from)/g;

function keyOf({ bench, row }: Placed): string {
  const control = row.control === undefined ? "" : `, against ${row.control.name}`;
  return `${bench}: ${row.quantity.replaceAll(COUNTED, "")}${control}`;
}

/** The ratio to the control is what holds on a machine that others use; the figure itself only where there is none. */
function changesOf(key: string, before: Row, after: Row): Change[] {
  const [first, second] = [before.ratio ?? before.varve, after.ratio ?? after.varve];
  if (first.unit !== second.unit || !isApart(first, second)) return [];
  const isMore = second.median > first.median;
  return [{ key, before: first, after: second, isBetter: isMore === isMoreBetter(after) }];
}

/** What was measured once has no spread: a time is then not judged, a size or count where it moved by a tenth. */
function isApart(first: Figure, second: Figure): boolean {
  const moved = Math.abs(second.median - first.median);
  if (first.count > 1 || second.count > 1) return moved > Math.max(first.max - first.min, second.max - second.min);
  return !["ms", "µs", "ns"].includes(first.unit) && moved > 0.1 * Math.abs(first.median);
}

/** As the row says; else as its target says; else speeds should grow and everything else should not. */
function isMoreBetter({ better, target, varve }: Row): boolean {
  if (better !== undefined) return better === "more";
  if (target !== undefined) return target.text.startsWith("≥");
  return varve.unit.endsWith("/s");
}
