import type { Command } from "commander";
import { type CheckpointInfo, CheckpointNotFoundError, ConfigError } from "../index.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { parseCount, parseIndex } from "./flags.ts";
import { formatBytes, formatCount, formatMetrics, formatSmaller } from "./format.ts";
import { listReadable } from "./opened-run.ts";

interface ShowFlags {
  readonly step?: number;
  readonly sequence?: number;
  readonly json?: boolean;
}

/** Adds `varve show`. */
export function addShowCommand(program: Command, finish: Finish): void {
  program
    .command("show")
    .description("show one checkpoint of a run: the newest, unless told which")
    .argument("<store>", "the run's folder or URL")
    .option("--step <n>", "the newest checkpoint of this step", parseIndex)
    .option("--sequence <n>", "exactly this checkpoint", parseCount)
    .option("--json", "print one object")
    .action(async (store: string, flags: ShowFlags) => {
      finish(await show(store, flags));
    });
}

async function show(store: string, flags: ShowFlags): Promise<ExitCode> {
  const output = new ConsoleOutput(flags);
  const { checkpoints, isDamaged } = await listReadable(output, store);
  if (checkpoints.length === 0) {
    if (!isDamaged) throw new ConfigError(`${store} holds no checkpoint`);
    return EXIT.damaged;
  }
  const info = findAsked(checkpoints, flags);
  output.result(info, () => formatInfo(output, info));
  return isDamaged ? EXIT.damaged : EXIT.ok;
}

function findAsked(checkpoints: readonly CheckpointInfo[], { step, sequence }: ShowFlags): CheckpointInfo {
  const isAsked = (info: { readonly step: number; readonly sequence: number }) =>
    (step === undefined || info.step === step) && (sequence === undefined || info.sequence === sequence);
  const info = checkpoints.findLast(isAsked);
  if (info !== undefined) return info;
  const asked = [step === undefined ? "" : `step ${step}`, sequence === undefined ? "" : `sequence ${sequence}`];
  throw new CheckpointNotFoundError(
    asked.filter((part) => part !== "").join(" and "),
    checkpoints.map((each) => `step ${each.step} (sequence ${each.sequence})`),
  );
}

function formatInfo(output: ConsoleOutput, info: CheckpointInfo): string {
  return output.table(
    ["checkpoint", info.name],
    [
      ["step", String(info.step)],
      ["sequence", String(info.sequence)],
      ["epoch", String(info.epoch)],
      ["parent", info.parent ?? "none"],
      ["made", info.createdAt],
      ["transitions", formatCount(info.transitions)],
      ["logical", formatBytes(info.logicalBytes)],
      ["packs", `${formatBytes(info.storedBytes)} (${formatSmaller(info.logicalBytes, info.storedBytes)})`],
      ["metrics", formatMetrics(info.metrics)],
      ["pinned", info.pinned ? "yes" : "no"],
    ],
  );
}
