import type { Command } from "commander";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type Finish } from "./exit-codes.ts";
import { formatBytes, plural } from "./format.ts";
import { listSome, withRun } from "./opened-run.ts";

interface VerifyFlags {
  readonly data?: boolean;
  readonly json?: boolean;
}

/** Adds `varve verify`. */
export function addVerifyCommand(program: Command, finish: Finish): void {
  program
    .command("verify")
    .description("check that everything the checkpoints of a run name is there and whole")
    .argument("<store>", "the run's folder or URL")
    .option("--no-data", "check that packs are there, without reading their data")
    .option("--json", "print one object")
    .action(async (store: string, flags: VerifyFlags) => {
      finish((await verify(store, flags)) ? EXIT.ok : EXIT.damaged);
    });
}

async function verify(store: string, flags: VerifyFlags): Promise<boolean> {
  const output = new ConsoleOutput(flags);
  const readData = flags.data ?? true;
  const report = await withRun({ store, readOnly: true }, (run) => run.verify({ readData }));
  if (report.checkpoints.length === 0) await withRun({ store, readOnly: true }, (run) => listSome(run, store));
  output.result(report, () => {
    const problems = report.checkpoints.flatMap((checkpoint) =>
      checkpoint.problems.map((problem) => `${output.style.red("DAMAGED")} ${checkpoint.name}: ${problem}`),
    );
    const checked = `${plural(report.checkpoints.length, "checkpoint")}, ${plural(report.packs, "pack")}, ${formatBytes(report.bytes)} ${readData ? "read" : "present"}`;
    const unnamed =
      report.unnamedPacks === 0 ? "" : `; ${plural(report.unnamedPacks, "pack")} that no checkpoint names`;
    return [...problems, `${checked}${unnamed}: ${report.isIntact ? "intact" : "DAMAGED"}`].join("\n");
  });
  return report.isIntact;
}
