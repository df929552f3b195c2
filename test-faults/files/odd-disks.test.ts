import { cp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkpointer, isVarveError, stateHash } from "../../src/index.ts";
import { problemsAfterDeath } from "../../test-crash/support/aftermath.ts";
import { scratchFolder } from "../../test-crash/support/medium.ts";
import { missing, STRACE } from "../../test-crash/support/requirements.ts";
import { createCrashBuffer, hashAt } from "../../test-crash/support/run-content.ts";
import { type SlowRun, slowRun } from "../../test-crash/support/slow-run.ts";
import { Summary } from "../../test-crash/support/summary.ts";
import { CALLS } from "../../test-crash/support/sweep.ts";
import { liveOnce } from "../../test-crash/support/traced-life.ts";
import type { Injection } from "../../test-crash/support/traced-process.ts";

const REPEAT = "repeat: npm run test:faults -- test-faults/files/odd-disks";
/**
 * No more than the shortest write asks for: libuv takes more bytes than that for a reason to go on behind its list of
 * buffers, and there it writes into Node's own memory.
 */
const LOST_BYTES = 1;
const MOST_WRITES = 60;
const SLOW_SAVES = 10;
/** How long every fsync of a slow disk is held up. */
const SLOW_MS = 300;

const lacks = missing("disks that lie, lag, or do not say", [STRACE], false);
const summary = new Summary("disks that lie, lag, or do not say", "faults");
let root: string;
let base: string;

beforeAll(async () => {
  root = await scratchFolder("odd");
  base = join(root, "base");
  if (lacks === null) expect((await liveOnce(base, { saves: 2 })).ended).toBe(true);
});

afterAll(async () => {
  summary.tell(lacks === null ? 0 : 1);
  await rm(root, { recursive: true, force: true });
});

async function filesWithHoles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const holes = await Promise.all(
    files.map(async (file) => {
      const start = (await readFile(file)).subarray(0, LOST_BYTES);
      return start.length > 0 && start.every((byte) => byte === 0);
    }),
  );
  return files.filter((_, place) => holes[place]);
}

/** Whether damage is noticed by a look at every byte; and that nothing wrong is given out as good. */
async function lookAtDamaged(folder: string): Promise<{ readonly noticed: boolean; readonly wrong: string[] }> {
  const checkpointer = await Checkpointer.open({ store: folder, readOnly: true });
  try {
    const { isIntact } = await checkpointer.verify({ readData: true });
    const buffer = createCrashBuffer();
    const restored = await checkpointer.restore({ buffer });
    if (restored === null) return { noticed: !isIntact, wrong: [] };
    const isRight = stateHash({ buffer, state: restored.state }) === hashAt(restored.step);
    return { noticed: !isIntact, wrong: isRight ? [] : [`step ${restored.step} is another than was saved`] };
  } finally {
    await checkpointer.close();
  }
}

/** Small files are checked when they are read: by opening, or by the next writer. */
async function isNoticed(folder: string): Promise<{ readonly noticed: boolean; readonly wrong: string[] }> {
  try {
    return await lookAtDamaged(folder);
  } catch (error) {
    return isVarveError(error) ? { noticed: true, wrong: [] } : { noticed: false, wrong: [String(error)] };
  }
}

describe.skipIf(lacks !== null)("a disk that lies", () => {
  it("says that it wrote bytes which it lost: noticed, and never given out as good", async () => {
    const problems: string[] = [];
    const kinds = new Set<string>();
    for (let number = 1; number < MOST_WRITES; number++) {
      const folder = join(root, `lies-${number}`);
      await cp(base, folder, { recursive: true });
      const file = join(root, `lies-${number}.log`);
      const injection = {
        calls: CALLS.write,
        what: `retval=${LOST_BYTES}:when=${number}`,
        log: { calls: "close", file },
      };
      const { ended, code, signal, errors } = await liveOnce(folder, { saves: 1, injection });
      if (!(await readFile(file, "utf8")).includes("(INJECTED)")) break;
      if (!ended) problems.push(`write ${number}: the process ended with ${code ?? signal}: ${errors}`);
      const holes = (await filesWithHoles(folder)).map((file) => file.slice(folder.length + 1));
      const { noticed, wrong } = await isNoticed(folder);
      await rm(folder, { recursive: true, force: true });
      summary.add(1);
      for (const hole of holes) kinds.add(hole.split("/")[0] ?? hole);
      const isData = holes.some((name) => /^(?:packs|checkpoints)\//.test(name));
      if (isData && !noticed) problems.push(`write ${number}: nothing is noticed of ${holes.join(", ")}`);
      problems.push(...wrong.map((what) => `write ${number}: ${what}`));
    }
    console.log(`what lost bytes: ${[...kinds].join(", ")}`);
    expect(problems, REPEAT).toEqual([]);
    expect([...kinds]).toEqual(expect.arrayContaining(["packs", "checkpoints"]));
  });
});

describe.skipIf(lacks !== null)("a folder whose fsync fails after link()", () => {
  it.each(["packs", "checkpoints", "writers"])("%s: nothing is acknowledged, nothing deleted", async (name) => {
    const folder = join(root, `folder-${name}`);
    await cp(base, folder, { recursive: true });
    const before = await readdir(join(folder, name));
    // All but the first: that one belongs to opening for writing.
    const injection = { calls: CALLS.sync, what: "error=EIO:when=2+", paths: [join(folder, name)] };
    const { failures, acknowledged, trained, ended } = await liveOnce(folder, { saves: 1, injection });
    expect({ ended, trained, acknowledged }, REPEAT).toEqual({ ended: true, trained: 3, acknowledged: 0 });
    expect(failures).toContainEqual(
      expect.objectContaining({ failed: "save", isTyped: true, kind: "io", message: expect.stringContaining(folder) }),
    );
    const after = await readdir(join(folder, name));
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.filter((file) => file.startsWith(".tmp-"))).toEqual([]);
    expect(await problemsAfterDeath(folder, 2), REPEAT).toEqual([]);
    summary.add(1);
  });
});

describe.skipIf(lacks !== null)("a slow disk", () => {
  /** One save alone takes seconds. */
  const SLOW: Injection = { calls: CALLS.sync, what: `delay_enter=${1000 * SLOW_MS}` };
  const CONTROL: Injection = { calls: CALLS.sync, what: "delay_enter=1" };

  /** So much longer as beside a quick disk is the machine's own doing; a step that waits for a save takes seconds. */
  const isAffected = ({ middleStepMs }: SlowRun, control: SlowRun): boolean =>
    middleStepMs > 10 * control.middleStepMs + SLOW_MS;

  it("is not waited for by the training thread, and saves do not pile up", async () => {
    const control = await slowRun(join(root, "quick"), SLOW_SAVES, CONTROL);
    const seen = await slowRun(join(root, "slow"), SLOW_SAVES, SLOW);
    console.log(`slow disk: ${JSON.stringify(seen)}; a quick one: ${JSON.stringify(control)}`);
    // One under way, one that waits, and those that the saver's thread has not heard of yet.
    expect(seen.mostPending, REPEAT).toBeLessThan(SLOW_SAVES);
    expect(seen.pendingAtEnd).toBeGreaterThan(0);
    expect(seen.replaced).toBeGreaterThan(0);
    expect(seen.rejected).toBe(0);
    expect(seen.stepsWhilePending).toBe(SLOW_SAVES * 20_000);
    expect(seen.memoryWaits, REPEAT).toBe(control.memoryWaits);
    expect(isAffected(seen, control), REPEAT).toBe(false);
    // Each of the ten saves that waited for one fsync would add its delay.
    expect(seen.blockedMs, REPEAT).toBeLessThan(control.blockedMs * 10 + (SLOW_SAVES * SLOW_MS) / 2);
    summary.add(1);

    const planted = await slowRun(join(root, "waits"), 1, SLOW, "waits");
    console.log(
      `planted bug: a training thread that waits for its saves: ${planted.middleStepMs.toFixed(0)} ms a step`,
    );
    expect(isAffected(planted, control), REPEAT).toBe(true);
  });
});
