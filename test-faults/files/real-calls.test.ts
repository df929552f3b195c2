import { cp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { problemsAfterDeath } from "../../test-crash/support/aftermath.ts";
import { scratchFolder } from "../../test-crash/support/medium.ts";
import type { PlantedBug } from "../../test-crash/support/planted-store.ts";
import { missing, STRACE } from "../../test-crash/support/requirements.ts";
import { Summary } from "../../test-crash/support/summary.ts";
import { CALLS, type Call } from "../../test-crash/support/sweep.ts";
import { type Life, liveOnce } from "../../test-crash/support/traced-life.ts";
import { repeatedSyncs } from "./strace-log.ts";

const [onlyCall, onlyError, onlyNumber] = (process.env["VARVE_POINT"] ?? "").split(":");
const isWhole = onlyCall === "";
const MOST_POINTS = 200;
const SAVES = 2;

/** Each error where a real disk gives it; the calls that change nothing are in each-call.test.ts. */
const PLAN: readonly (readonly [Call, string])[] = [
  ["write", "EIO"],
  ["write", "ENOSPC"],
  ["sync", "EIO"],
  ["link", "EIO"],
  ["link", "ENOSPC"],
  ["rename", "EACCES"],
  ["unlink", "EIO"],
];

const lacks = missing("single faults of a real process", [STRACE], false);
const summary = new Summary("single faults of a real process, by strace", "faults");
let root: string;
let base: string;

beforeAll(async () => {
  root = await scratchFolder("real-faults");
  base = join(root, "base");
  if (lacks === null) expect((await liveOnce(base, { saves: SAVES })).ended).toBe(true);
});

afterAll(async () => {
  summary.tell(lacks === null ? 0 : 1);
  await rm(root, { recursive: true, force: true });
});

interface Tried {
  readonly problems: readonly string[];
  /** Whether the process made that many calls. */
  readonly met: boolean;
}

/** One life of a resumed run in which the n-th call fails. */
async function tryFault(call: Call, error: string, number: number, planted?: PlantedBug): Promise<Tried> {
  const folder = join(root, `${call}-${error}-${number}`);
  const file = join(root, `${call}-${error}-${number}.log`);
  await cp(base, folder, { recursive: true });
  const what = `error=${error}:when=${number}`;
  const injection = { calls: CALLS[call], what, log: { calls: "openat,close", file } };
  const life = await liveOnce(folder, { saves: SAVES, injection, planted });
  const log = await readFile(file, "utf8");
  const met = log.includes("(INJECTED)");
  const problems = [...problemsOf(life, error, folder), ...repeatedSyncs(log)];
  if (call !== "unlink") problems.push(...(await litterIn(folder)).map((name) => `${name} stays`));
  problems.push(...(await problemsAfterDeath(folder, Math.max(SAVES, life.acknowledged))));
  await rm(folder, { recursive: true, force: true });
  return { problems, met };
}

function problemsOf(life: Life, error: string, folder: string): string[] {
  const { failures, acknowledged, trained, ended } = life;
  const problems = ended ? [] : [`the process ended with ${life.code ?? life.signal}: ${life.errors}`];
  for (const { failed, isTyped, message } of failures) {
    if (!isTyped) problems.push(`${failed}: an untyped error: ${message}`);
    if (!message.includes(folder) || !message.includes(error))
      problems.push(`${failed}: no path or code in: ${message}`);
  }
  const saves = failures.filter(({ failed }) => failed === "save").length;
  if (saves > 1) problems.push(`${saves} saves failed of one fault`);
  if (trained !== 2 * SAVES) problems.push(`it trained to step ${trained}`);
  // The save after the one that failed goes well: at most the last one can be missing.
  if (acknowledged < trained - saves) problems.push(`step ${acknowledged} is the newest saved of ${trained}`);
  return problems;
}

async function litterIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.includes(".tmp-"));
}

async function sweep(call: Call, error: string, planted?: PlantedBug): Promise<string[]> {
  const problems: string[] = [];
  for (let number = 1; number < MOST_POINTS; number++) {
    if (!isWhole && String(number) !== onlyNumber) continue;
    const tried = await tryFault(call, error, number, planted);
    const repeat = `repeat: VARVE_POINT=${call}:${error}:${number} npm run test:faults -- test-faults/files/real-calls`;
    problems.push(...tried.problems.map((problem) => `${call} ${number}, ${error}: ${problem}; ${repeat}`));
    if (planted === undefined && tried.met) summary.add(1);
    if (!tried.met || (planted !== undefined && problems.length > 0)) break;
  }
  return problems;
}

describe("one failing system call of a real process", () => {
  it.skipIf(lacks !== null).each(PLAN)(
    "%s, %s: a typed error at most, no litter, no second fsync, and the next save goes well",
    async (call, error) => {
      if (!isWhole && (call !== onlyCall || error !== onlyError)) return;
      const before = summary.count;
      const problems = await sweep(call, error);
      console.log(`${call}, ${error}: ${summary.count - before} faults, ${problems.length} problems`);
      expect(problems).toEqual([]);
    },
  );

  it.skipIf(lacks !== null)("were at least 50 faults", () => {
    // One that was chosen and that there is not would pass without a word.
    expect(summary.count).toBeGreaterThanOrEqual(isWhole ? 50 : 1);
  });

  it.skipIf(lacks !== null || !isWhole)(
    "planted bug is caught: a failed fsync is tried again on the same file",
    async () => {
      const problems = await sweep("sync", "EIO", "fsync-again");
      expect(problems.filter((problem) => problem.includes("synced again"))).not.toEqual([]);
    },
  );

  it.skipIf(lacks !== null || !isWhole)("planted bug is caught: unfinished files are not removed", async () => {
    const problems = await sweep("write", "ENOSPC", "litter-stays");
    expect(problems.filter((problem) => problem.includes("stays"))).not.toEqual([]);
  });
});
