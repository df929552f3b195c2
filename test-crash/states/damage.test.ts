import { afterAll, describe, expect, it } from "vitest";
import {
  type Damage,
  flips,
  goOnAfter,
  look,
  objectsOf,
  removals,
  type Seen,
  tinyRun,
  truncations,
  type Where,
} from "../../test/crash-states/damage.ts";
import type { Plant } from "../../test/crash-states/history.ts";
import { hidesUnreadable, readsFromCache } from "../../test/crash-states/plants.ts";

const seed = Number(process.env.VARVE_CRASH_SEED ?? 1);
const asked = process.env.VARVE_CRASH_STATE;
const COMMAND = "npm run test:crash -- test-crash/states/damage";

/** They say whose run it is, and have no checksum: what of them is no more than a note may change unnoticed. */
const LABEL = /^(varve\.json|writers\/.*)$/;
const IS_MANIFEST = /^checkpoints\//;

const startedAt = performance.now();
const counts = { damages: 0, ofNotes: 0 };

/** Whether a run file or a writer's file still says what matters: that it is one, of which version, run and number. */
function saysTheSame(was: Uint8Array | undefined, is: Uint8Array | null): boolean {
  if (was === undefined || is === null) return false;
  try {
    const [before, after] = [was, is].map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as SmallFile);
    return (["magic", "version", "run", "epoch"] as const).every((key) => before?.[key] === after?.[key]);
  } catch {
    return false;
  }
}

interface SmallFile {
  readonly magic: string;
  readonly version: number;
  readonly run: string;
  readonly epoch?: number;
}

/** What is wrong with what was seen of a damage; null where it was noticed, or does not matter. */
function verdict(run: Awaited<ReturnType<typeof tinyRun>>, damage: Damage, seen: Seen): string | null {
  const { complaints, restored } = seen;
  if (restored?.isRight === false) return "damaged content was returned as good";
  if (restored === null && complaints.length === 0) return "nothing was restored, and nothing was said";
  const isNewest = restored?.step === run.newest;
  if (LABEL.test(damage.name)) {
    if (!isNewest && complaints.length === 0) return "went back in time";
    // Of these only the presence counts.
    if (damage.name.endsWith(".closed")) return null;
    if (saysTheSame(objectsOf(run).get(damage.name), damage.bytes)) return null;
    // A writer's number is also in the names of what it made, and then nothing of it is lost.
    if (damage.name !== "varve.json" && damage.bytes === null) return null;
  }
  // A checkpoint without its manifest is one that was never made, or one that was pruned.
  if (IS_MANIFEST.test(damage.name) && damage.bytes === null) return null;
  // What the other tier has whole is restored, and verify says which one lacks it.
  return complaints.some((text) => text.includes(damage.name)) ? null : "nobody noticed";
}

/** Every damage that was not noticed, each with how to repeat it. */
async function unnoticed(
  run: Awaited<ReturnType<typeof tinyRun>>,
  damages: Iterable<Damage>,
  where: Where = "both",
  plant?: Plant,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const damage of damages) {
    const name = `${run.place}:${where}:${damage.name}:${damage.what}`;
    if (asked !== undefined && asked !== name && plant === undefined) continue;
    counts.damages++;
    const seen = await look(run, damage, where, plant);
    if (seen.complaints.length === 0) counts.ofNotes += LABEL.test(damage.name) ? 1 : 0;
    const problem = verdict(run, damage, seen);
    if (problem !== null) {
      wrong.push(`${problem}; repeat: VARVE_CRASH_SEED=${seed} VARVE_CRASH_STATE="${name}" ${COMMAND}`);
    }
  }
  return wrong;
}

describe("damage is noticed", () => {
  it("every byte of a run in a folder: inverted, and with one bit flipped", async () => {
    const run = await tinyRun("disk");
    expect(await unnoticed(run, flips(objectsOf(run), seed, ["all", "one"]))).toEqual([]);
  });

  it("every byte of a run in a store: with one bit flipped", async () => {
    const run = await tinyRun("cloud");
    expect(await unnoticed(run, flips(objectsOf(run), seed, ["one"]))).toEqual([]);
  });

  it.each(["disk", "cloud"] as const)("every object removed, and every one cut: %s", async (place) => {
    const run = await tinyRun(place);
    expect(await unnoticed(run, [...removals(objectsOf(run)), ...truncations(objectsOf(run))])).toEqual([]);
  });

  it.each(["first", "second", "both"] as const)("of two tiers, in %s: removed, cut, and flipped", async (where) => {
    const run = await tinyRun("tiers");
    const objects = objectsOf(run);
    const flipped = [...flips(objects, seed, ["one"])].filter((_, index) => index % 16 === 0);
    expect(await unnoticed(run, [...removals(objects), ...truncations(objects), ...flipped], where)).toEqual([]);
  });

  it.each(["disk", "cloud"] as const)(
    "what is saved after it is whole, under a number of its own: %s",
    async (place) => {
      const run = await tinyRun(place);
      const outcomes = new Map<string, Set<string>>();
      for (const damage of [...removals(objectsOf(run)), ...truncations(objectsOf(run))]) {
        const outcome = await goOnAfter(run, damage);
        const kind = damage.name.split("/")[0] ?? "";
        outcomes.set(kind, (outcomes.get(kind) ?? new Set()).add(outcome));
      }
      expect(Object.fromEntries(outcomes)).toEqual({
        "varve.json": new Set(["VARVE_CORRUPT", "goes on"]),
        writers: new Set(["goes on"]),
        // Where no checkpoint is left whole, a person has to decide.
        packs: new Set(["goes on", "VARVE_NO_INTACT_CHECKPOINT"]),
        checkpoints: new Set(["goes on"]),
      });
    },
  );
});

describe("planted bugs", () => {
  it("is caught: what is checked is a copy in memory", async () => {
    const run = await tinyRun("disk");
    const packs = new Map([...objectsOf(run)].filter(([name]) => name.startsWith("packs/")));
    const some = [...flips(packs, seed, ["all"])].filter((_, index) => index % 100 === 0);
    expect(some.length).toBeGreaterThan(10);
    expect(await unnoticed(run, some, "both", readsFromCache(packs))).toHaveLength(some.length);
  });

  it("is caught: a sequence is used again after a manifest that cannot be read", async () => {
    const run = await tinyRun("disk");
    const newest = [...truncations(objectsOf(run))].find(({ name }) => name.endsWith("0002.json")) as Damage;
    expect(await goOnAfter(run, newest)).toBe("goes on");
    expect(await goOnAfter(run, newest, hidesUnreadable)).toMatch(/is used again/);
  });

  it("is caught: a manifest that cannot be read is passed over in silence", async () => {
    const run = await tinyRun("disk");
    const newest = [...truncations(objectsOf(run))].filter(({ name }) => name.endsWith("0002.json"));
    expect(await unnoticed(run, newest, "both", hidesUnreadable)).toHaveLength(newest.length);
  });
});

afterAll(() => {
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const { damages, ofNotes } = counts;
  console.log(
    `SUMMARY damage: ${damages.toLocaleString("en")} damages, ${ofNotes} of them of what is only a note, ` +
      `${seconds} s, seed ${seed}, 0 skipped`,
  );
});
