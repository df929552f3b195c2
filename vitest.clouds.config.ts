import { defineConfig } from "vitest/config";
import { keepCompiledFiles } from "./tools/compile-cache.ts";

keepCompiledFiles();

/** `npm run test:clouds`: what needs independent servers, a real cloud, or minutes. */
export default defineConfig({
  test: {
    include: ["test-clouds/**/*.test.ts"],
    pool: "forks",
    testTimeout: 300_000,
    // Independent servers are fetched and built at first use.
    hookTimeout: 600_000,
  },
});
