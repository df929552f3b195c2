import { rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { ConfigError, type DeleteReport, deleteRun } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { formatBytes, plural, quoteForShell } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { assertFolder } from "./opened-run.ts";
import { opening } from "./opening.ts";
import { localFolderOf } from "./train-place.ts";

interface DeleteFlags {
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

const HELP = `
Without --yes it says what it would delete, deletes nothing, and ends with 2. Checkpoints go first, from the newest to the
oldest, then packs: whatever ends it in between, no checkpoint is left in part, and the same command goes on. Files that
are not of a run, such as logs, stay.

A run that its newest writer did not close may have a trainer at it: that is refused, unless with --force.

Examples:
  varve delete runs/market-001
  varve delete runs/market-001 --yes
  varve delete gs://bucket/market-001 --yes --force`;

/** Folders of a run on local disk, and the run's own last. */
const FOLDERS = ["checkpoints", "pins", "quarantine", "packs", "markers", "probe", "writers", ""];

/** Adds `varve delete`. */
export function addDeleteCommand(program: Command, finish: Finish): void {
  program
    .command("delete")
    .description("delete a whole run, all its checkpoints")
    .argument("<run>", "the run's folder or URL")
    .option("--yes", "do it; without this nothing is deleted")
    .option("--force", "also where a trainer may still be writing to it")
    .option("--json", "print one object")
    .addHelpText("after", HELP)
    .action(async (run: string, flags: DeleteFlags) => {
      const output = new ConsoleOutput(flags);
      const goOn = "A part of the run may be deleted; the same command deletes the rest.";
      finish(await interruptible(output, goOn, (signal) => remove(run, flags, output, signal)));
    });
}

async function remove(
  run: string,
  { yes = false, force }: DeleteFlags,
  output: ConsoleOutput,
  signal: AbortSignal,
): Promise<ExitCode> {
  const folder = localFolderOf({ store: run, local: undefined });
  if (folder !== null) assertFolder(folder, run);
  const store = await storeNamed(run);
  const report = await opening(output, run, () => deleteRun({ store, confirmed: yes, force, signal }));
  if (report === null) throw new ConfigError(`${run} holds no run: nothing was deleted`);
  if (report.isDeleted && folder !== null) removeEmptyFolders(folder);
  output.result(report, () => `${report.isDeleted ? "Deleted" : "Would delete"} ${describe(run, report)}`);
  if (report.isDeleted) return EXIT.ok;
  output.warn(`Nothing was deleted. To delete it: varve delete ${quoteForShell(run)} --yes`);
  return EXIT.usage;
}

function describe(run: string, { checkpoints, newestStep, packs, bytes }: DeleteReport): string {
  const newest = newestStep === null ? "" : `, the newest of step ${newestStep}`;
  return `${run}: ${plural(checkpoints, "checkpoint")}${newest}, and ${plural(packs, "pack")} (${formatBytes(bytes)})`;
}

/** What still has something in it stays. */
function removeEmptyFolders(folder: string): void {
  for (const name of FOLDERS) {
    try {
      rmdirSync(join(folder, name));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    }
  }
}
