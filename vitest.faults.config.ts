import { defineConfig } from "vitest/config";

/** `npm run test:faults`: what goes wrong without anything dying, one fault at a time; minutes. */
export default defineConfig({
  test: {
    include: ["test-faults/**/*.test.ts"],
    pool: "forks",
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
