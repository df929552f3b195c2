import { type Command, Option } from "commander";
import type { ExportOptions, ExportReport } from "../exchange/export-checkpoint.ts";
import { exportIntact } from "../exchange/export-intact.ts";
import { type ExportFormat, type ExportRequest, exportFormats } from "../exchange/export-plan.ts";
import { type Checkpointer, ConfigError } from "../index.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { parseCount, parseIndex } from "./flags.ts";
import { formatBytes, plural } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { assertFolder, noCheckpoint, tellRepair, withRun } from "./opened-run.ts";
import { withBar } from "./progress-bar.ts";

interface ExportFlags {
  readonly format: ExportFormat;
  readonly local?: string;
  readonly step?: number;
  readonly sequence?: number;
  /** Commander's `--buffer <name>` and `--no-buffer`. */
  readonly buffer?: string | boolean;
  readonly last?: number;
  readonly frames?: boolean;
  readonly state?: boolean;
  readonly json?: boolean;
}

const HELP = `
The arrays have the names of the buffer's columns: action, reward, observation, nextObservation, terminated, truncated,
env, … With --frames, observations that are windows come as ids.observation and frames/observation: then
frames/observation[ids.observation] are the windows, and each frame is written once. Tensors of the state are called
state/<path>. All of it: docs/exports.md.

A newest checkpoint that is damaged, in what is asked for, is passed over: the one before it is written, and the
command ends with 3.

It is written under <out>.partial and renamed when it is whole. Ended before, the same command goes on where it was.

Examples:
  varve export runs/market-001 buffer.npz --format npz
  varve export runs/market-001 last.parquet --format parquet --last 10000
  varve export gs://bucket/run buffer.zarr --format zarr --frames --step 40
  varve export gs://bucket/run buffer.npz --format npz --local runs/run
  varve export runs/market-001 weights.safetensors --format safetensors --no-buffer --state`;

/** Adds `varve export`. */
export function addExportCommand(program: Command, finish: Finish): void {
  program
    .command("export")
    .description("write a checkpoint's buffer and tensors for NumPy, safetensors, Parquet or Zarr")
    .argument("<store>", "the run's folder or URL")
    .argument("<out>", "the file to write; a folder for zarr")
    .addOption(new Option("--format <name>", "the format to write").choices(exportFormats).makeOptionMandatory())
    .option("--local <folder>", "the run's folder on local disk before that store: what is there is not fetched")
    .option("--step <n>", "the newest checkpoint of this step (default: the newest)", parseIndex)
    .option("--sequence <n>", "exactly this checkpoint", parseCount)
    .option("--buffer <name>", "the buffer to export (default: the only one)")
    .option("--no-buffer", "export no buffer")
    .option("--last <n>", "only the newest n transitions", parseCount)
    .option("--frames", "windows as ids and frames, each different frame once")
    .option("--state", "also the tensors of the trainer's state")
    .option("--json", "print one object")
    .addHelpText("after", HELP)
    .action(async (store: string, out: string, flags: ExportFlags) => {
      const output = new ConsoleOutput(flags);
      const goOn = "What is there is kept: the same command goes on.";
      finish(await interruptible(output, goOn, (signal) => exportRun(store, pathOf(out), flags, output, signal)));
    });
}

/** Without the separator that tab completion leaves behind a folder's name: `<out>.partial` would lie in it. */
function pathOf(out: string): string {
  const path = out.replace(/(?<=.)[/\\]+$/, "");
  if (path === "")
    throw new ConfigError("Expected <out> to be the name of a file, or of a folder for zarr, got an empty one");
  return path;
}

async function exportRun(
  store: string,
  out: string,
  flags: ExportFlags,
  output: ConsoleOutput,
  signal: AbortSignal,
): Promise<ExitCode> {
  const log = (event: { readonly kind: string; readonly message?: string }): void => {
    if (event.kind === "warning") output.warn(`WARNING: ${event.message}`);
  };
  const { local } = flags;
  if (local !== undefined) assertFolder(local, local);
  const { report, isDamaged } = await withRun({ store, local, readOnly: true, log, signal }, (run) =>
    withBar(output, "exporting", (onProgress) =>
      exportFrom(run, store, out, flags, { signal, onProgress, onWarning: (text) => output.warn(`WARNING: ${text}`) }),
    ),
  );
  output.result(report, () => describe(report));
  if (!isDamaged) return EXIT.ok;
  tellRepair(output, store);
  return EXIT.damaged;
}

async function exportFrom(
  run: Checkpointer,
  store: string,
  out: string,
  { step, sequence, ...flags }: ExportFlags,
  options: ExportOptions,
): Promise<{ readonly report: ExportReport; readonly isDamaged: boolean }> {
  const exported = await exportIntact(run, out, requestOf(flags), { step, sequence }, options);
  if (exported === null) throw noCheckpoint(store);
  return exported;
}

function requestOf({ format, buffer, last, frames, state }: ExportFlags): ExportRequest {
  // Commander says true where neither flag was given.
  const named = typeof buffer === "string" ? buffer : undefined;
  return { format, buffer: buffer === false ? null : named, last, asFrames: frames, withState: state };
}

function describe({ path, outcome, step, transitions, arrays, bytes, bytesOnDisk }: ExportReport): string {
  const rows = `${plural(transitions, "transition")} in ${plural(arrays.length, "array")}`;
  const content = `step ${step}: ${rows}, ${formatBytes(bytes)} of values, ${formatBytes(bytesOnDisk)} on disk`;
  if (outcome === "complete") return `${path} is complete already (${content})`;
  return `Wrote ${path} (${content})${outcome === "resumed" ? ", gone on with what was there" : ""}`;
}
