import { defineConfig } from "vitest/config";

/**
 * `npm run coverage:core`: every branch of what makes a checkpoint whole, finds it again, deletes it, or reads what
 * others wrote. Tests run these parts in their own process: what a worker thread runs is not counted.
 */
const files = [
  // Commit, recovery and prune.
  "src/manifest/*.ts",
  "src/checkpoint/saver/{run-writer,pruner,restore-source}.ts",
  "src/checkpoint/{restore,single-file}.ts",
  "src/checkpoint/saver/{missing-checkpoints,store-damage,tier-inspection,tiers,verify}.ts",
  // Parsers.
  "src/codec/{pack,pack-index,pack-schema,pack-trailer,codec-chain,section}.ts",
  "src/base/strict-json.ts",
  "src/store/{object-url,object-name,open-store}.ts",
  "src/checkpoint/saver/{pack-file,pack-reader,section-groups}.ts",
  "src/checkpoint/cloud/files/upload-journal.ts",
  "src/cli/config-file.ts",
  "src/trainer/market/csv-prices.ts",
];

export default defineConfig({
  test: {
    include: [
      "test/{manifest,codec,schema}/**/*.test.ts",
      "test/checkpoint/saver/*.test.ts",
      "test/checkpoint/{damage,missing,restore,run-file-mending,run-identity,single-file,store-damage,verify,verify-tiers}.test.ts",
      "test/checkpoint/cloud/files/{abandoned-uploads,list-folder,upload-journal}.test.ts",
      "test/cli/config-file.test.ts",
      "test/fuzz/found.test.ts",
      "test/trainer/market/{csv-prices,market}.test.ts",
      "test/store/{open-store,open-objects,object-name}.test.ts",
    ],
    pool: "forks",
    testTimeout: 120_000,
    coverage: {
      enabled: true,
      include: files,
      reporter: ["text", "json"],
      reportsDirectory: "coverage/core",
      thresholds: { perFile: true, branches: 100 },
    },
  },
});
