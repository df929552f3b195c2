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
    const place = await storeNamed(store);
    const onCheck = output.json ? undefined : (check: DoctorCheck): void => output.message(formatCheck(output, check));
    if (!output.json) output.message(output.style.bold(row("check", "", "found")));
    const report = await diagnoseStore(place, { onCheck, signal: stop.signal });
    output.result(report, () => formatVerdict(output, report));
    return report.isGood ? EXIT.ok : EXIT.failure;
  } catch (error) {
    if (!stop.signal.aborted || !isVarveError(error, "VARVE_STORE")) throw error;
    output.warn("Interrupted; what was written is removed.");
    return EXIT.interrupted;
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}

/** As soon as it is known: a store that does not answer takes half a minute for each. */
function formatCheck(output: ConsoleOutput, { name, outcome, detail }: DoctorCheck): string {
  const padded = (outcome === "failed" ? "FAILED" : outcome).padEnd(OUTCOME_WIDTH);
  return row(name, formatOutcome(output, outcome, padded), detail);
}

const NAME_WIDTH = 19;
const OUTCOME_WIDTH = 9;

function row(name: string, outcome: string, detail: string): string {
  return `${name.padEnd(NAME_WIDTH)}${outcome}${detail}`;
}

function formatVerdict({ style }: ConsoleOutput, { checks, verdict, isGood }: DoctorReport): string {
  return [...hintLines(checks), isGood ? style.green(verdict) : style.red(verdict)].join("\n");
}

/** Each hint once, after the checks that it is for; what the provider adds to the right that is needed, by itself. */
function hintLines(checks: readonly DoctorCheck[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, hint } of checks) {
    const parts = /^(It needs .*?\.) (.+)$/s.exec(hint ?? "")?.slice(1) ?? (hint === null ? [] : [hint]);
    for (const part of parts) names.set(part, [...(names.get(part) ?? []), name]);
  }
  return [...names].map(([hint, of]) => `${of.join(", ")}: ${hint}`);
}

function formatOutcome({ style }: ConsoleOutput, outcome: DoctorCheck["outcome"], text: string): string {
  if (outcome === "ok") return style.green(text);
  return outcome === "failed" ? style.red(text) : style.dim(text);
}
