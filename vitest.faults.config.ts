import { defineConfig } from "vitest/config";
import { keepCompiledFiles } from "./tools/compile-cache.ts";

keepCompiledFiles();

/** `npm run test:faults`: faults, fuzzing and interleavings, in numbers that take minutes. */
export default defineConfig({
  test: {
    include: ["test-faults/**/*.test.ts"],
    pool: "forks",
    // Left to itself vitest keeps a core free, which on two of them is half of all there is.
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
