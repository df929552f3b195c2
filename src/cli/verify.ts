import type { Command } from "commander";
import { ConfigError, type VerifyReport } from "../index.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type Finish } from "./exit-codes.ts";
import { assertFolder, listSome, withRun } from "./opened-run.ts";
import { describeVerified, type VerifiedPlaces, whatToDo } from "./verify-text.ts";

interface VerifyFlags {
  readonly local?: string;
  readonly data?: boolean;
  readonly json?: boolean;
}

const HELP = `
With --local, each of the two places is checked by itself: what one has damaged and the other whole is restorable, and
damaged all the same. What is in one place only (not sent yet, or removed by retention) is no damage, and said.

Ends with 0 when nothing is damaged in any place; with 3 when anything is, also where the other place has it whole: each
object is named, with what to do; with 2 when there is no checkpoint, or none stayed long enough to be checked.`;

/** Adds `varve verify`. */
export function addVerifyCommand(program: Command, finish: Finish): void {
  program
    .command("verify")
    .description("check that everything the checkpoints of a run name is there and whole")
    .argument("<store>", "the run's folder or URL")
    .option("--local <folder>", "the run's folder on local disk before that store: check both")
    .option("--no-data", "check that packs are there, without reading their data")
    .option("--json", "print one object")
    .addHelpText("after", HELP)
    .action(async (store: string, flags: VerifyFlags) => {
      finish((await verify(store, flags)) ? EXIT.ok : EXIT.damaged);
    });
}

async function verify(store: string, flags: VerifyFlags): Promise<boolean> {
  const output = new ConsoleOutput(flags);
  const { local, data: readData = true } = flags;
  if (local !== undefined) assertFolder(local, local);
  const options = { store, local, readOnly: true };
  const report = await withRun(options, async (run): Promise<VerifyReport> => {
    const verified = await run.verify({ readData });
    if (verified.checkpoints.length === 0 && verified.isIntact) {
      await listSome(run, store);
      throw new ConfigError(`Every checkpoint of ${store} that was there was removed before it was checked`, {
        hint: "Its retention removes them faster than they are read. Run it again; --no-data takes less time.",
      });
    }
    return verified;
  });
  const places: VerifiedPlaces = { store, local };
  output.result(report, () => describeVerified(report, places, { readData, style: output.style }));
  for (const line of whatToDo(report, places)) output.warn(line);
  return report.isIntact;
}
