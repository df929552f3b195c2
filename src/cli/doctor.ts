import type { Command } from "commander";
import { type DoctorCheck, type DoctorReport, diagnoseStore, isVarveError } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";

/** Adds `varve doctor`. */
export function addDoctorCommand(program: Command, finish: Finish): void {
  program
    .command("doctor")
    .description("try on a store everything that checkpoints rely on, and remove what it wrote")
    .argument("<store>", "the run's folder or URL; it need not hold a run yet")
    .option("--json", "print one object")
    .action(async (store: string, flags: { readonly json?: boolean }) => {
      finish(await examine(store, new ConsoleOutput(flags)));
    });
}

async function examine(store: string, output: ConsoleOutput): Promise<ExitCode> {
  const stop = new AbortController();
  // What was written is removed first; a second Ctrl-C ends the process as ever.
  const onInterrupt = (): void => stop.abort();
  process.once("SIGINT", onInterrupt);
  try {
    const report = await diagnoseStore(await storeNamed(store), { signal: stop.signal });
    output.result(report, () => formatReport(output, report));
    return report.isGood ? EXIT.ok : EXIT.failure;
  } catch (error) {
    if (!stop.signal.aborted || !isVarveError(error, "VARVE_STORE")) throw error;
    output.warn("Interrupted; what was written is removed.");
    return EXIT.interrupted;
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}

function formatReport(output: ConsoleOutput, { checks, verdict, isGood }: DoctorReport): string {
  const { green, red } = output.style;
  const rows = checks.map(({ name, outcome, detail }) => [name, formatOutcome(output, outcome), detail]);
  return [
    output.table(["check", "", "found"], rows),
    ...hintLines(checks),
    isGood ? green(verdict) : red(verdict),
  ].join("\n");
}

/** Each hint once, after the checks that it is for. */
function hintLines(checks: readonly DoctorCheck[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, hint } of checks) if (hint !== null) names.set(hint, [...(names.get(hint) ?? []), name]);
  return [...names].map(([hint, of]) => `${of.join(", ")}: ${hint}`);
}

function formatOutcome({ style }: ConsoleOutput, outcome: DoctorCheck["outcome"]): string {
  if (outcome === "ok") return style.green("ok");
  return outcome === "failed" ? style.red("FAILED") : style.dim("skipped");
}
