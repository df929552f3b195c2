import type { Command } from "commander";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { parseCount, parseIndex } from "./flags.ts";
import { lookAtRun, noCheckpoint, tellRepair } from "./opened-run.ts";
import { describeContents } from "./show-text.ts";

interface ShowFlags {
  readonly step?: number;
  readonly sequence?: number;
  readonly json?: boolean;
}

/** Adds `varve show`. */
export function addShowCommand(program: Command, finish: Finish): void {
  program
    .command("show")
    .description("show what is in one checkpoint of a run: the newest, unless told which")
    .argument("<store>", "the run's folder or URL")
    .option("--step <n>", "the checkpoint of this step that a resume would take", parseIndex)
    .option("--sequence <n>", "exactly this checkpoint", parseCount)
    .option("--json", "print one object")
    .action(async (store: string, flags: ShowFlags) => {
      finish(await show(store, flags));
    });
}

async function show(store: string, flags: ShowFlags): Promise<ExitCode> {
  const output = new ConsoleOutput(flags);
  const { step, sequence } = flags;
  const { found, isDamaged } = await lookAtRun(output, store, (run) => run.describe({ step, sequence }));
  if (found === null) {
    if (!isDamaged) throw noCheckpoint(store);
    return EXIT.damaged;
  }
  output.result(found, () => describeContents(output, found));
  for (const { problem } of found.problems) output.warn(`WARNING: ${problem}; its bytes are in no sum`);
  if (found.problems.length > 0 && !isDamaged) tellRepair(output, store);
  return isDamaged || found.problems.length > 0 ? EXIT.damaged : EXIT.ok;
}
