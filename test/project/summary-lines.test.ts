import { expect, it } from "vitest";
import { addUp, summaryLines } from "../../tools/summary-lines.ts";

const OUTPUT = `stdout | test-crash/states/folder.test.ts
SUMMARY crash states of a folder: 107,756 states, 2,020 images, 126 s, seed 1, 0 skipped
SUMMARY crash states of stores and tiers: 53,987 states, 2,262 images, 236 s, seed 1, 0 skipped
SUMMARY interleavings: 20000 interleavings of 1234567 requests, 3 commits, 4 fenced, 60.1 s, 0 skipped, seed 5
SUMMARY planted bugs of the crash states: 19 of 19 caught: no fsync; no folder fsync
SUMMARY soak against a slow, failing store: 55 failed requests, 85 s, 0 skips, seed 2
 SUMMARY indented: 5 states, 1 s
SUMMARY crash states of a folder: 10 states, 2 images, 1 s, seed 2, 0 skipped
`;

it("the summaries of the tests are read and added up, by what they count", () => {
  const lines = summaryLines(OUTPUT);
  expect(lines).toHaveLength(5);
  expect(lines[2]).toEqual({ title: "interleavings", count: 20_000, unit: "interleavings" });
  expect(addUp(lines)).toEqual([
    "161,753 states",
    "  107,766 crash states of a folder",
    "  53,987 crash states of stores and tiers",
    "20,000 interleavings",
    "55 failed requests",
  ]);
});
