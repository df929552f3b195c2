import { existsSync } from "node:fs";
import { SingleBar } from "cli-progress";
import type { Command } from "commander";
import { Checkpointer, ConfigError, type SyncProgress, type SyncReport } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { formatBytes, formatDuration, plural } from "./format.ts";
import { localFolderOf } from "./train-place.ts";

const HELP = `
Sends the packs and checkpoints that <store> lacks, oldest first; what it has is not sent again. A trainer that uses the
two is not disturbed: it does the same by itself, and nothing is claimed or deleted here.

Ends with 0 when the store has everything that <local> has. Ends with 1 when checkpoints stay local because they belong
to another branch than the store's newest, or when the store does not take them; with 3 when <local> has some damaged.`;

/** Adds `varve sync`. */
export function addSyncCommand(program: Command, finish: Finish): void {
  program
    .command("sync")
    .description("send what a run's local folder has and its store lacks")
    .argument("<local>", "the run's folder on local disk")
    .argument("<store>", "the run's store: a URL or another folder")
    .option("--json", "print one object")
    .addHelpText("after", HELP)
    .action(async (local: string, store: string, flags: { readonly json?: boolean }) => {
      finish(await sync(local, store, new ConsoleOutput(flags)));
    });
}

async function sync(local: string, store: string, output: ConsoleOutput): Promise<ExitCode> {
  const folder = localFolderOf({ store: local, local: undefined });
  if (folder === null) throw new ConfigError(`Expected <local> to be a folder on local disk, got ${local}`);
  if (!existsSync(folder)) throw new ConfigError(`There is no run at ${local}: no such folder`);
  const run = await Checkpointer.open({
    store: await storeNamed(store),
    local: folder,
    sendMissing: false,
    closeTimeoutMs: 0,
    log: (event) => {
      if (event.kind === "warning") output.warn(`WARNING: ${event.message}`);
    },
  });
  try {
    const report = await syncWithBar(run, output);
    if (report.sent.length + report.alreadyThere.length + report.unrelated.length + report.unreadable.length === 0) {
      throw new ConfigError(`${local} holds no checkpoint`);
    }
    output.result(report, () => describe(report, store));
    if (report.unreadable.length > 0) return EXIT.damaged;
    return report.unrelated.length > 0 ? EXIT.failure : EXIT.ok;
  } finally {
    await run.close();
  }
}

function describe({ sent, alreadyThere, unrelated, unreadable, packs, bytes }: SyncReport, store: string): string {
  const moved = `Sent ${plural(sent.length, "checkpoint")} and ${plural(packs, "pack")} (${formatBytes(bytes)}) to ${store}`;
  const left = [
    ...(unrelated.length > 0 ? [`${countOf(unrelated, "stays", "stay")} local, of another branch`] : []),
    ...(unreadable.length > 0 ? [countOf(unreadable, "is damaged", "are damaged")] : []),
  ];
  return [`${moved}; ${alreadyThere.length} were there already`, ...left].join("; ");
}

function countOf(names: readonly string[], one: string, several: string): string {
  return `${plural(names.length, "checkpoint")} ${names.length === 1 ? one : several}`;
}

async function syncWithBar(run: Checkpointer, output: ConsoleOutput): Promise<SyncReport> {
  if (!output.isTerminal) return run.sync();
  const format = "{bar} {value}/{total} checkpoints, {moved}";
  const bar = new SingleBar({
    ...{ stream: output.stream, format, clearOnComplete: true },
    ...{ hideCursor: false, linewrap: true, gracefulExit: false },
  });
  let isShown = false;
  const onProgress = (progress: SyncProgress): void => {
    const { checkpointsDone, checkpointsTotal } = progress;
    const facts = { moved: describeMoved(run, progress) };
    if (isShown) bar.update(checkpointsDone, facts);
    else bar.start(checkpointsTotal, checkpointsDone, facts);
    isShown = true;
  };
  const hide = (): void => {
    if (isShown) bar.stop();
    isShown = false;
  };
  output.yieldBar(hide);
  try {
    return await run.sync({ onProgress });
  } finally {
    hide();
    output.yieldBar(null);
  }
}

function describeMoved(run: Checkpointer, { bytesDone, bytesTotal }: SyncProgress): string {
  const { bytesPerSecond, etaMs } = run.status().upload;
  const rate = bytesPerSecond > 0 ? `, ${formatBytes(Math.round(bytesPerSecond))}/s` : "";
  const rest = etaMs === null ? "" : `, ${formatDuration(etaMs)} to go`;
  return `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}${rate}${rest}`;
}
