import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { Checkpointer } from "../../src/index.ts";
import { scratchFolder } from "../../test-crash/support/medium.ts";
import { missing } from "../../test-crash/support/requirements.ts";
import { Summary } from "../../test-crash/support/summary.ts";
import { createSoakBuffer, wrongRows } from "../soak/soak-content.ts";

const PROGRAM = join(import.meta.dirname, "starved-process.ts");
const MAX_PINNED_BYTES = 1024 * 1024;
const REPEAT = "repeat: npm run test:faults -- test-faults/processes/starved-saver";

interface Seen {
  readonly waits: number;
  readonly waitsWithoutSleep: number;
  readonly mostPinnedBytes: number;
  readonly completed: number;
  readonly failed: number;
  readonly spinning: number;
  /** Threads at the lowest priority. */
  readonly niced: number;
  readonly rows: number;
}

const lacks = missing("a saver that is starved", [], false);
const summary = new Summary("a saver that is starved", "waits for memory");
const folders: string[] = [];
afterAll(async () => {
  summary.tell(lacks === null ? 0 : 1);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function starve(...args: string[]): Promise<{ readonly seen: Seen; readonly folder: string }> {
  const folder = await scratchFolder("starved");
  folders.push(folder);
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, folder, ...args]);
  const seen = JSON.parse(stdout) as Seen;
  console.log(`starved saver: ${stdout.trim()}`);
  summary.add(seen.waits);
  return { seen, folder };
}

describe.skipIf(lacks !== null)("a saver whose cores are all taken by others", () => {
  it("makes every save durable, and a trainer that waits for memory sleeps meanwhile", async () => {
    const { seen, folder } = await starve("3");
    expect(seen, REPEAT).toMatchObject({ completed: 3, failed: 0, waitsWithoutSleep: 0 });
    // It was starved, and it was the limit of memory that training waited for.
    expect(seen, REPEAT).toMatchObject({ spinning: availableParallelism(), niced: 1 });
    expect(seen.waits, REPEAT).toBeGreaterThan(3);
    expect(seen.mostPinnedBytes, REPEAT).toBeLessThanOrEqual(MAX_PINNED_BYTES);
    const checkpointer = await Checkpointer.open({ store: folder, readOnly: true });
    const buffer = createSoakBuffer();
    const restored = await checkpointer.restore({ buffer });
    expect(restored?.step, REPEAT).toBe(3);
    expect(wrongRows(buffer, restored?.state.rows as number), REPEAT).toBeNull();
    expect(await checkpointer.verify({ readData: true }), REPEAT).toMatchObject({ isIntact: true });
    await checkpointer.close();
  });

  it("planted bug is caught: a wait that keeps its core", async () => {
    const { seen } = await starve("1", "spins");
    expect(seen.waitsWithoutSleep, REPEAT).toBeGreaterThan(0);
  });
});
