import { defineConfig } from "vitest/config";

/** The pure core, for mutation testing: what decides whether a checkpoint is whole, and what may be deleted. */
export default defineConfig({
  test: { include: ["test/{manifest,codec,schema}/**/*.test.ts"], pool: "forks", testTimeout: 60_000 },
});
