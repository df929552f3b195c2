import { defineConfig } from "vitest/config";
import { keepCompiledFiles } from "./tools/compile-cache.ts";

keepCompiledFiles();

/** `npm run test:browser`: the dashboard's page in headless Chromium; needs one (see test-browser/support/browser.ts). */
export default defineConfig({
  test: {
    include: ["test-browser/**/*.test.ts"],
    pool: "forks",
    // A browser is several processes by itself: two of them on two cores make every wait longer.
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
