import { defineConfig } from "vitest/config";
import { keepCompiledFiles } from "./tools/compile-cache.ts";

keepCompiledFiles();

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Left to itself vitest keeps a core free, which on two of them is half of all there is.
    maxWorkers: 2,
    // A hang fails by name instead of by the limit of the whole run.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: { include: ["src/**"], reporter: ["text-summary", "html"] },
  },
});
