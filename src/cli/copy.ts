import type { Command } from "commander";
import { ConfigError, type CopyReport, copyRun } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { formatBytes, plural, quoteForShell } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { assertFolder, assertLasting, noCheckpoint } from "./opened-run.ts";
import { withBar } from "./progress-bar.ts";
import { localFolderOf } from "./train-place.ts";

const HELP = `
Every pack is checked against its hash on the way, and what lies there already is read and checked too; each checkpoint
appears when all that it names is there. Ended before, the same command goes on. The source may be in use, and nothing is
written to it. The copy is the same run: train on one of the two only. A target that holds another run, or that went on
by itself, is refused.

Ends with 0 when the target has every checkpoint of the source; with 3 when the source has some damaged: each is named,
and all others are copied.

Examples:
  varve copy runs/market-001 gs://bucket/market-001
  varve copy s3://bucket/market-001 backup/market-001`;

/** Adds `varve copy`. */
export function addCopyCommand(program: Command, finish: Finish): void {
  program
    .command("copy")
    .description("copy a whole run to another folder or store")
    .argument("<from>", "the run's folder or URL")
    .argument("<to>", "where the copy goes: a folder or URL")
    .option("--json", "print one object")
    .addHelpText("after", HELP)
    .action(async (from: string, to: string, flags: { readonly json?: boolean }) => {
      const output = new ConsoleOutput(flags);
      const goOn = "Checkpoints that were copied are whole; the same command goes on.";
      finish(await interruptible(output, goOn, (signal) => copy(from, to, output, signal)));
    });
}

async function copy(from: string, to: string, output: ConsoleOutput, signal: AbortSignal): Promise<ExitCode> {
  assertLasting(to, "<to>");
  const folder = localFolderOf({ store: from, local: undefined });
  if (folder !== null) assertFolder(folder, from);
  const [source, target] = [await storeNamed(from), await storeNamed(to)];
  // Not as one store that is opened: the error names the request, and either of the two may be at fault.
  const report = await withBar(output, "copying", (onProgress) =>
    copyRun({ from: source, to: target, signal, onProgress }),
  );
  if (report.copied.length + report.alreadyThere.length + report.damaged.length === 0) {
    throw report.removed.length === 0 ? noCheckpoint(from) : removedAll(from, report.removed.length);
  }
  output.result(report, () => describe(report, to));
  for (const { checkpoint, why } of report.damaged) output.warn(`WARNING: ${checkpoint} was not copied: ${why}`);
  if (report.damaged.length === 0) return EXIT.ok;
  output.warn(`  All that is damaged: varve verify ${quoteForShell(from)}`);
  return EXIT.damaged;
}

/** There are some; it deletes each before it is copied. */
function removedAll(from: string, count: number): ConfigError {
  const which = count === 1 ? "The checkpoint" : `Each of the ${count} checkpoints`;
  return new ConfigError(`${which} that ${from} had was removed by its retention before it was copied`, {
    hint: "Run it again: packs that were copied are kept. A run that keeps more (keepLast) gives it more time.",
  });
}

function describe({ copied, alreadyThere, packs, bytes }: CopyReport, to: string): string {
  const moved = `Copied ${plural(copied.length, "checkpoint")} and ${plural(packs, "pack")} (${formatBytes(bytes)}) to ${to}`;
  return `${moved}; ${alreadyThere.length} were there already`;
}
