import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { keepCompiledFiles } from "./tools/compile-cache.ts";

/** Those that take minutes, the longest first; without times of an earlier run vitest would go by the size of a file. */
const LONGEST = [
  ...["kills/begin", "power/xfs", "power/ext4", "kills/resume", "kills/random"],
  ...["states/stores", "states/folder", "states/damage", "states/planted-bugs"],
];

/** A long test that begins last has its end alone on the machine. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => LONGEST.findIndex((name) => moduleId.includes(name));
    return files.sort((a, b) => rank(a) - rank(b));
  }
}

keepCompiledFiles();

/** `npm run test:crash`: every way in which a run can be cut off, simulated and real; minutes, and root for some of it. */
export default defineConfig({
  test: {
    include: ["test-crash/**/*.test.ts"],
    pool: "forks",
    // One more than the cores of the smallest machine: those that kill and cut wait for the disk half of their time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
