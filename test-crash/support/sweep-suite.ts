import { afterAll, beforeAll, expect, it } from "vitest";
import { type DiskKind, type Medium, openDisk, openPlainMedium } from "./medium.ts";
import type { PlantedBug } from "./planted-store.ts";
import { MKFS_EXT4, MKFS_XFS, missing, PERL, STRACE, type Tool } from "./requirements.ts";
import { Summary } from "./summary.ts";
import { type Call, chosenBug, isWholeSweep, type Phase, sweepCall } from "./sweep.ts";

const HOUR_MS = 3_600_000;
const DISK_TOOLS: Readonly<Record<DiskKind, Tool>> = { ext4: MKFS_EXT4, xfs: MKFS_XFS };

export interface PlantedCase {
  readonly bug: PlantedBug;
  readonly phase: Phase;
  readonly call: Call;
}

export interface SweepSuite {
  readonly title: string;
  readonly unit: string;
  readonly suite: string;
  /** Null for a plain folder: only the process dies. */
  readonly disk: DiskKind | null;
  readonly calls: Readonly<Partial<Record<Phase, readonly Call[]>>>;
  readonly planted: readonly PlantedCase[];
  readonly leastPoints: number;
}

/** Defines the tests of one sweep: every call of every phase, then the planted bugs that it has to catch. */
export function sweepSuite({ title, unit, suite, disk, calls, planted, leastPoints }: SweepSuite): void {
  const lacks = missing(title, disk === null ? [STRACE] : [STRACE, PERL, DISK_TOOLS[disk]], disk !== null);
  const summary = new Summary(title, unit);
  let medium: Medium | null = null;
  const opened = async (): Promise<Medium> =>
    (medium ??= disk === null ? await openPlainMedium() : await openDisk(disk));

  beforeAll(async () => {
    if (lacks === null) await opened();
  }, HOUR_MS);

  afterAll(async () => {
    summary.tell(lacks === null ? 0 : 1);
    await medium?.close();
  });

  const phases = Object.entries(calls) as [Phase, readonly Call[]][];
  const cases = phases.flatMap(([phase, list]) => list.map((call): [Phase, Call] => [phase, call]));
  it.skipIf(lacks !== null).each(cases)("%s: at every %s", { timeout: HOUR_MS }, async (phase, call) => {
    const { points, problems } = await sweepCall({ medium: await opened(), phase, call, suite, planted: chosenBug });
    summary.add(points);
    if (points > 0) console.log(`${title}: ${phase}, ${call}: ${points} ${unit}, ${problems.length} problems`);
    expect(problems).toEqual([]);
  });

  it.skipIf(lacks !== null)(`were at least ${leastPoints} ${unit}`, () => {
    // A point that was chosen and that there is not would pass without a word.
    expect(summary.count).toBeGreaterThanOrEqual(isWholeSweep ? leastPoints : 1);
  });

  it.skipIf(lacks !== null || !isWholeSweep).each(planted)(
    "planted bug is caught: $bug",
    { timeout: HOUR_MS },
    async ({ bug, phase, call }) => {
      const sweep = { medium: await opened(), phase, call, suite, planted: bug, endsAtProblem: true };
      const { points, problems } = await sweepCall(sweep);
      console.log(`${title}: planted ${bug}: after ${points} ${unit}: ${problems[0] ?? "not caught"}`);
      expect(problems).not.toEqual([]);
    },
  );
}
