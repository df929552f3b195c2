import { defineConfig } from "vitest/config";

/** `npm run test:crash`: every way in which a run can be cut off, simulated and real; minutes, and root for some of it. */
export default defineConfig({
  test: {
    include: ["test-crash/**/*.test.ts"],
    pool: "forks",
    // Left to itself vitest keeps a core free, which on two of them is half of all there is.
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
