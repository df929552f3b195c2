import { type Command, InvalidArgumentError } from "commander";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type Finish } from "./exit-codes.ts";
import { parseCount } from "./flags.ts";
import { formatBytes, plural } from "./format.ts";
import { withRun } from "./opened-run.ts";

const HOUR_MS = 3_600_000;

interface PruneFlags {
  readonly keepLast?: number;
  readonly keepEvery?: number;
  readonly keepBest?: { readonly metric: string; readonly mode: "max" | "min"; readonly count: number };
  readonly graceHours?: number;
  readonly dryRun?: boolean;
  readonly takeOver?: boolean;
  readonly quarantine?: boolean;
  readonly json?: boolean;
}

/** Adds `varve prune`. */
export function addPruneCommand(program: Command, finish: Finish): void {
  program
    .command("prune")
    .description("delete checkpoints that are not to be kept, and packs that no checkpoint names")
    .argument("<store>", "the run's folder or URL")
    .option("--keep-last <n>", "keep the newest n checkpoints (default: all)", parseCount)
    .option("--keep-every <n>", "keep every checkpoint whose step is a multiple of n", parseCount)
    .option("--keep-best <metric:mode:n>", "keep the n best by a metric, as in validation:max:3", parseKeepBest)
    .option("--grace-hours <n>", "leave packs alone that are younger than this (default: 24)", parseHours)
    .option("--dry-run", "say what would be deleted, and delete nothing")
    .option("--take-over", "also on a run that a trainer may still be writing to; it will be fenced")
    .option("--quarantine", "move unreadable checkpoints aside instead of stopping at them")
    .option("--json", "print one object")
    .action(async (store: string, flags: PruneFlags) => {
      await prune(store, flags);
      finish(EXIT.ok);
    });
}

async function prune(store: string, flags: PruneFlags): Promise<void> {
  const output = new ConsoleOutput(flags);
  const { keepLast, keepEvery, keepBest, graceHours, dryRun, takeOver, quarantine } = flags;
  const gracePeriodMs = graceHours === undefined ? undefined : graceHours * HOUR_MS;
  const options = { store, keepLast, keepEvery, keepBest, gracePeriodMs, readOnly: dryRun ?? false };
  const report = await withRun(options, (run) => run.prune({ dryRun, takeOver, quarantine }));
  output.result(report, () => {
    const verb = report.dryRun ? "Would delete" : "Deleted";
    const deleted = `${plural(report.checkpoints.length, "checkpoint")} and ${plural(report.packs.length, "pack")} (${formatBytes(report.bytes)})`;
    const moved = report.quarantined.map((name) => `moved aside: ${name}`);
    return [`${verb} ${deleted}, kept ${plural(report.kept.length, "checkpoint")}`, ...moved].join("\n");
  });
}

function parseHours(text: string): number {
  const hours = Number(text);
  if (text.trim() !== "" && Number.isFinite(hours) && hours >= 0) return hours;
  throw new InvalidArgumentError(`Expected a number of hours, got "${text}".`);
}

function parseKeepBest(text: string): NonNullable<PruneFlags["keepBest"]> {
  const [metric = "", mode, count, ...rest] = text.split(":");
  if (metric === "" || (mode !== "max" && mode !== "min") || rest.length > 0) {
    throw new InvalidArgumentError(`Expected metric:max:n or metric:min:n, got "${text}".`);
  }
  return { metric, mode, count: parseCount(count ?? "") };
}
