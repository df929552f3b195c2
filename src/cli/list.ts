import type { Command } from "commander";
import type { CheckpointInfo } from "../index.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type Finish } from "./exit-codes.ts";
import { formatBytes, formatCount, formatMetrics } from "./format.ts";
import { lookAtRun } from "./opened-run.ts";

/** Adds `varve list`. */
export function addListCommand(program: Command, finish: Finish): void {
  program
    .command("list")
    .description("list the checkpoints of a run, oldest first")
    .argument("<store>", "the run's folder or URL")
    .option("--json", "print an array of objects")
    .action(async (store: string, flags: { readonly json?: boolean }) => {
      const output = new ConsoleOutput(flags);
      const { found, isDamaged } = await lookAtRun(output, store, (_run, listed) => listed);
      const checkpoints = found ?? [];
      output.result(checkpoints, () => formatList(output, store, checkpoints, isDamaged));
      finish(isDamaged ? EXIT.damaged : EXIT.ok);
    });
}

function formatList(
  output: ConsoleOutput,
  store: string,
  checkpoints: readonly CheckpointInfo[],
  isDamaged: boolean,
): string {
  if (checkpoints.length === 0) return `${store} holds no checkpoints${isDamaged ? " that can be read" : ""}`;
  const rows = checkpoints.map((info) => [
    String(info.step),
    String(info.sequence),
    info.createdAt,
    formatCount(info.transitions),
    formatBytes(info.logicalBytes),
    formatBytes(info.storedBytes),
    formatMetrics(info.metrics),
    info.pinned ? "pinned" : "",
  ]);
  return output.table(["step", "sequence", "made", "transitions", "logical", "packs", "metrics", ""], rows);
}
