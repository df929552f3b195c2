import { SingleBar } from "cli-progress";
import type { Command } from "commander";
import { Checkpointer, ConfigError, type DamageInStore, type SyncProgress, type SyncReport } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { formatBytes, formatDuration, plural, quoteForShell } from "./format.ts";
import { assertFolder, assertLasting, noCheckpoint } from "./opened-run.ts";
import { opening } from "./opening.ts";
import { localFolderOf } from "./train-place.ts";

const HELP = `
Sends the packs and checkpoints that <store> lacks, oldest first; what it has is not sent again. A trainer that uses the
two is not disturbed: it does the same by itself, and nothing is claimed or deleted here.

What the store has lost of its checkpoints (packs that are missing there or cut short, by name and size) is sent again
from <local>. Their bytes are not read: varve verify <store> --local <local> does that.

Ends with 0 when the store has everything that <local> has, whole. Ends with 1 when checkpoints stay local because they
belong to another branch than the store's newest, or when the store does not take them; with 3 when <local> has some
damaged, or the store has some that <local> cannot mend: each is named, with what to do.`;

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
  if (folder === null) {
    throw new ConfigError(`Expected <local> to be a folder on local disk, got ${local}`, {
      hint: "The folder comes first, the store second: varve sync runs/run-7 gs://my-bucket/run-7",
    });
  }
  assertFolder(folder, local);
  assertLasting(store, "<store>");
  const place = await storeNamed(store);
  const run = await opening(output, store, () =>
    Checkpointer.open({
      store: place,
      local: folder,
      sendMissing: false,
      closeTimeoutMs: 0,
      log: (event) => {
        if (event.kind === "warning") output.warn(`WARNING: ${event.message}`);
      },
    }),
  );
  try {
    const report = await syncWithBar(run, output);
    const { sent, alreadyThere, repaired, broken, unrelated, unreadable } = report;
    if ([sent, alreadyThere, repaired, broken, unrelated, unreadable].every(({ length }) => length === 0)) {
      throw noCheckpoint(local);
    }
    output.result(report, () => describe(report, store));
    for (const step of nextSteps(broken, local, store)) output.warn(step);
    if (unreadable.length > 0 || broken.length > 0) return EXIT.damaged;
    return report.unrelated.length > 0 ? EXIT.failure : EXIT.ok;
  } finally {
    await run.close();
  }
}

function describe(report: SyncReport, store: string): string {
  const { sent, alreadyThere, repaired, broken, unrelated, unreadable, packs, bytes } = report;
  const moved = `Sent ${plural(sent.length, "checkpoint")} and ${plural(packs, "pack")} (${formatBytes(bytes)}) to ${store}`;
  const damaged = [...new Set(broken.map(({ checkpoint }) => checkpoint))];
  const left = [
    ...(repaired.length > 0 ? [`${countOf(repaired, "was", "were")} damaged there and whole again`] : []),
    ...(unrelated.length > 0 ? [`${countOf(unrelated, "stays", "stay")} local, of another branch`] : []),
    ...(unreadable.length > 0 ? [countOf(unreadable, "is damaged", "are damaged")] : []),
    ...(damaged.length > 0 ? [`${countOf(damaged, "stays", "stay")} damaged in the store`] : []),
  ];
  return [`${moved}; ${alreadyThere.length} were there already`, ...left].join("; ");
}

/** What a person can do about damage that this command does not mend. */
function nextSteps(broken: readonly DamageInStore[], local: string, store: string): string[] {
  if (broken.length === 0) return [];
  const [from, to] = [quoteForShell(local), quoteForShell(store)];
  const hasManifest = broken.some(({ checkpoint, object }) => checkpoint === object);
  const hasPack = broken.some(({ checkpoint, object }) => checkpoint !== object);
  return [
    ...(hasManifest
      ? [
          `  A checkpoint is never written over. To move unreadable ones aside and send them anew (with --take-over, once`,
          `  no trainer uses the run):`,
          `    varve prune ${to} --quarantine && varve sync ${from} ${to}`,
        ]
      : []),
    ...(hasPack
      ? [
          `  Packs that both places lack: run varve sync from any other copy of the run's folder. Without one, those`,
          `  checkpoints cannot be restored; the others are not affected.`,
        ]
      : []),
    `  What else is damaged, to the last byte: varve verify ${to} --local ${from}`,
  ];
}

function countOf(names: readonly string[], one: string, several: string): string {
  return `${plural(names.length, "checkpoint")} ${names.length === 1 ? one : several}`;
}

async function syncWithBar(run: Checkpointer, output: ConsoleOutput): Promise<SyncReport> {
  if (!output.canDraw) return run.sync();
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
