import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { Summary } from "../../test-crash/support/summary.ts";

const PROGRAM = join(import.meta.dirname, "unheard-process.ts");
const PLANTED = "planted bug: a promise that nobody hears";
const REPEAT = "repeat: npm run test:faults -- test-faults/processes/unheard";

interface Seen {
  /** Unhandled rejections of each way. */
  readonly seen: Readonly<Record<string, number>>;
  /** Savers that were lost. */
  readonly crashes: number;
  readonly first: readonly string[];
}

const summary = new Summary("failures that nobody hears", "ways to fail");
afterAll(() => summary.tell());

it("raise no unhandled rejection: saves, sync, prune, restore, CloudSync", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM]);
  const { seen, crashes, first } = JSON.parse(stdout) as Seen;
  const { [PLANTED]: planted, ...ways } = seen;
  expect(Object.keys(ways)).toHaveLength(6);
  const unheard = Object.entries(ways).filter(([, count]) => count > 0);
  expect(unheard, `${REPEAT}; ${first.join("; ")}`).toEqual([]);
  // In the saver's thread it would be the end of that.
  expect(crashes, REPEAT).toBe(0);
  // Or nothing is heard here at all.
  expect(planted).toBe(1);
  summary.add(Object.keys(ways).length);
});
