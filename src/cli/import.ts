import { type Command, InvalidArgumentError } from "commander";
import { type Imported, importNpz } from "../exchange/import-npz.ts";
import { Checkpointer, ConfigError, type SaveResult } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { parseCount, parseIndex } from "./flags.ts";
import { formatBytes, formatSmaller, plural } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { assertLasting } from "./opened-run.ts";
import { opening } from "./opening.ts";
import { withBar } from "./progress-bar.ts";

interface ImportFlags {
  readonly store: string;
  readonly step: number;
  readonly capacity?: number;
  readonly frames?: ReadonlyMap<string, number>;
  readonly json?: boolean;
}

const HELP = `
The file has one array for each field, the oldest transition first:
  observations (or obs, observation), next_observations (next_obs, nextObservation), actions, rewards,
  terminals (terminated, terminations), or dones; if there are any: timeouts (truncated, truncations), env.
Where there is no terminals, dones that are no timeouts are taken for it. A second axis of environments, as
Stable-Baselines3 has it, becomes the env of each row. Observations may be a record: obs.camera, next_obs.camera.
Every other array of the same length becomes a field of its own. Pickled objects are refused.

--frames 4 says that an observation [4, 84, 84] is a window of 4 frames: each different frame is stored once.

Examples:
  varve import replay.npz --store runs/imported
  varve import atari.npz --store runs/atari --frames 4 --step 100000
  varve import robot.npz --store runs/robot --frames camera=3`;

/** Adds `varve import`. */
export function addImportCommand(program: Command, finish: Finish): void {
  program
    .command("import")
    .description("make a run of the replay buffer in an npz file")
    .argument("<file>", "the npz file")
    .requiredOption("--store <url>", "where the new run goes: a folder or URL that holds none yet")
    .option("--step <n>", "the step of its checkpoint", parseIndex, 0)
    .option("--capacity <n>", "of the buffer (default: as many transitions as there are)", parseCount)
    .option("--frames <n|field=n>", "frames of a window observation; again for another field", parseFrames)
    .option("--json", "print one object")
    .addHelpText("after", HELP)
    .action(async (file: string, flags: ImportFlags) => {
      const output = new ConsoleOutput(flags);
      const goOn = "No checkpoint was made.";
      finish(await interruptible(output, goOn, (signal) => importRun(file, flags, output, signal)));
    });
}

async function importRun(
  file: string,
  { store, step, capacity, frames }: ImportFlags,
  output: ConsoleOutput,
  signal: AbortSignal,
): Promise<ExitCode> {
  assertLasting(store, "--store");
  const place = await storeNamed(store);
  const run = await opening(output, store, () => Checkpointer.open({ store: place, signal }));
  try {
    // Before the file is read, which may take minutes.
    await assertEmpty(run, store);
    const imported = await withBar(output, "reading", (onProgress) =>
      importNpz(file, { capacity, frames, signal, onProgress }),
    );
    for (const note of imported.notes) output.warn(`NOTE: ${note}`);
    const saved = await run.save({ step, buffer: imported.buffer }).committed;
    output.result(reportOf(store, imported, saved), () => describe(store, imported, saved));
    return EXIT.ok;
  } finally {
    await run.close();
  }
}

async function assertEmpty(run: Checkpointer, store: string): Promise<void> {
  const count = (await run.list()).length;
  if (count === 0) return;
  throw new ConfigError(`${store} already holds a run: ${plural(count, "checkpoint")}`, {
    hint: "Name a place of its own for the imported run with --store.",
  });
}

function reportOf(store: string, { columns, notes, transitions }: Imported, saved: SaveResult): object {
  const { fields, leftOut } = columns;
  const { sequence, step, manifest, storedBytes, logicalBytes } = saved;
  return {
    ...{ store, step, sequence, checkpoint: manifest, transitions, fields, leftOut, notes },
    storedBytes,
    logicalBytes,
  };
}

function describe(store: string, { transitions }: Imported, { step, logicalBytes, storedBytes }: SaveResult): string {
  // A few small rows are less than what says how they are stored: a ratio would say nothing of the buffer.
  const ratio = storedBytes > logicalBytes ? "" : ` (${formatSmaller(logicalBytes, storedBytes)})`;
  const size = `${formatBytes(storedBytes)}${ratio}`;
  return `Imported ${plural(transitions, "transition")} into ${store} as step ${step}: ${size}`;
}

function parseFrames(text: string, before: ReadonlyMap<string, number> | undefined): ReadonlyMap<string, number> {
  const [, field = "", count = ""] = /^(?:([A-Za-z0-9_]{1,64})=)?(\d+)$/.exec(text) ?? [];
  if (count === "") throw new InvalidArgumentError(`Expected a number, or field=number, got "${text}".`);
  return new Map([...(before ?? []), [field, parseCount(count)]]);
}
