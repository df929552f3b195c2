import type { VerifyReport } from "../../src/index.ts";
import type { DiskImage } from "../../src/testing/disk-image.ts";
import { emptyImage } from "../../src/testing/disk-image.ts";
import { History, type Place, RUN } from "./history.ts";
import { contentHash, filesOf } from "./image-key.ts";
import { type Acknowledged, Model, type Tier } from "./model.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { Objects } from "./store-recorder.ts";

/** What a crash left: the disk, null where the machine is gone with it, and the store. */
export interface Remains {
  readonly place: Place;
  readonly disk: DiskImage | null;
  readonly objects: Objects;
}

/** What a run that was opened again turned out to be. All of it follows from the remains alone. */
export interface Facts {
  readonly restored: { readonly step: number; readonly hash: string } | null;
  /** Steps of the checkpoints that are whole to the last byte. */
  readonly steps: readonly number[];
  /** Whatever is wrong without knowing what had been acknowledged. */
  readonly problems: readonly string[];
}

/** Of the save that follows a crash; higher than that of any save before. */
const NEXT_STEP = 1_000_000;

const OBJECT =
  /^(varve\.json|writers\/\d{8}\.(json|closed)|packs\/\d{8}-[0-9a-f]{64}\.pack|(checkpoints|pins)\/\d{8}-\d{12}\.json|markers\/\d{8}\.json)$/;

/**
 * Opens what is left, restores, checks every byte, trains on, saves, prunes, and looks at it all again from another
 * process: nobody does anything by hand, and no planted bug has a part in it.
 */
export async function judge(remains: Remains): Promise<Facts> {
  const problems: string[] = [];
  let [restored, steps]: [Facts["restored"], readonly number[]] = [null, []];
  const history = historyOn(remains);
  try {
    const process = await history.start({ retention: { gracePeriodMs: 0 } });
    const found = await process.restore();
    restored = found === null ? null : { step: found.step, hash: found.hash };
    for (const reason of found?.skipped ?? []) problems.push(`a checkpoint is passed over: ${reason}`);
    const report = await process.verify();
    problems.push(...problemsOf(report));
    steps = wholeSteps(report);
    problems.push(...(await goOn(history, process, steps)));
  } catch (error) {
    problems.push(`going on fails: ${error instanceof Error ? error.message : String(error)}`);
  }
  problems.push(...history.model.violations);
  return { restored, steps, problems };
}

function historyOn({ place, disk, objects }: Remains): History {
  const before = { image: disk ?? emptyImage(), objects, model: new Model(), notes: [] };
  return new History({ place, before });
}

async function goOn(history: History, process: SimulatedProcess, steps: readonly number[]): Promise<string[]> {
  const problems: string[] = [];
  process.trainOtherwise(NEXT_STEP);
  const save = history.save(process, NEXT_STEP);
  await history.time.until(save.committed);
  await process.prune();
  await process.close();
  const reader = await history.create({ readOnly: true });
  await reader.open();
  const again = await reader.restore();
  if (again?.step !== NEXT_STEP || again.hash !== save.hash) problems.push("the save after the crash is not restored");
  const report = await reader.verify();
  await reader.close();
  problems.push(...problemsOf(report).map((problem) => `after the next save, ${problem}`));
  if (report.unnamedPacks > 0) problems.push(`${report.unnamedPacks} unnamed packs outlive a prune`);
  const still = new Set(wholeSteps(report));
  for (const step of steps) if (!still.has(step)) problems.push(`step ${step} is gone after the next save and a prune`);
  for (const path of history.disk.paths()) {
    if (!OBJECT.test(path.slice(RUN.length + 1))) problems.push(`${path} is left for somebody to clear away`);
  }
  return problems;
}

function wholeSteps({ checkpoints }: VerifyReport): number[] {
  return checkpoints.flatMap(({ step, problems }) => (step === null || problems.length > 0 ? [] : [step]));
}

function problemsOf({ checkpoints }: VerifyReport): string[] {
  return checkpoints.flatMap(({ name, problems }) => problems.map((problem) => `${name} is listed, but ${problem}`));
}

/** What a run promises to keep. */
export interface Promised {
  /** Null: every checkpoint. */
  readonly keepLast: number | null;
}

/** What the facts lack of what had been promised. */
export function brokenPromises(facts: Facts, model: Model, acknowledged: Acknowledged, promised: Promised): string[] {
  const { restored, steps } = facts;
  const { durable, pinned } = acknowledged;
  const broken = [...facts.problems];
  const newest = Math.max(0, ...durable);
  const present = new Set(steps);
  if (newest > 0 && (restored?.step ?? 0) < newest) {
    broken.push(`step ${newest} was acknowledged, step ${restored?.step ?? "nothing"} is restored`);
  }
  if (restored !== null && model.hashes.get(restored.step) !== restored.hash) {
    broken.push(`step ${restored.step} is restored with another content than was saved`);
  }
  const mustBeThere = promised.keepLast === null ? [...durable, ...pinned] : pinned;
  for (const step of mustBeThere) if (!present.has(step)) broken.push(`step ${step} was acknowledged and is not there`);
  const fewest = Math.min(promised.keepLast ?? 0, durable.length);
  if (steps.length < fewest) broken.push(`${steps.length} checkpoints are left, ${fewest} were to be kept`);
  return broken;
}

/** Objects whose content nobody ever put under their name: torn, or mixed up. */
export function strangeObjects({ place, disk, objects }: Remains, model: Model): string[] {
  const strange = (tier: Tier, name: string, bytes: Uint8Array): string[] =>
    model.knows(tier, name, contentHash(bytes)) ? [] : [`${name} holds what nobody put there`];
  const inFolder =
    disk === null ? [] : [...filesOf(disk)].map(([path, bytes]) => [path.slice(RUN.length + 1), bytes] as const);
  const cloud: Tier = place === "cloud" ? "first" : "second";
  return [
    ...inFolder
      .filter(([name]) => !/(^|\/)\.tmp-/.test(name))
      .flatMap(([name, bytes]) => strange("first", name, bytes)),
    ...[...objects].flatMap(([name, bytes]) => strange(cloud, name, bytes)),
  ];
}
