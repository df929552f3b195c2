// Which room may import from which: docs/design.md, "Rooms". `npm run imports` checks it and fails on zero modules.

/** What each room of src/ may import of ours, beside itself. A file name stands for that file alone. */
const rooms = {
  base: ["errors.ts"],
  schema: ["base", "errors.ts"],
  buffer: ["schema", "base", "errors.ts"],
  codec: ["schema", "base", "errors.ts"],
  store: ["base", "errors.ts"],
  manifest: ["store/store.ts", "schema", "base", "errors.ts"],
  transfer: ["store/store.ts", "base", "errors.ts"],
  checkpoint: ["buffer", "codec", "manifest", "store", "transfer", "schema", "base", "errors.ts"],
  testing: ["store", "base", "errors.ts"],
  trainer: ["index.ts"],
  record: ["base", "errors.ts"],
  dashboard: ["index.ts", "record", "base", "errors.ts"],
  exchange: ["index.ts", "base", "errors.ts"],
  cli: ["index.ts", "trainer", "record", "dashboard", "exchange", "base", "errors.ts"],
};

const pattern = (name) => (name.endsWith(".ts") ? `^src/${name.replace(".", "\\.")}$` : `^src/${name}/`);

const roomRules = Object.entries(rooms).map(([room, allowed]) => ({
  name: `room-${room}`,
  comment: `src/${room} may import only itself and: ${allowed.join(", ")}`,
  severity: "error",
  from: { path: `^src/${room}/` },
  to: {
    path: "^src/",
    pathNot: [`^src/${room}/`, ...allowed.map(pattern)],
    // The command line shows what checkpoints hold, and a record what the trainer reports: they may name those types, and
    // run nothing of them directly.
    ...(room === "cli" || room === "record" ? { dependencyTypesNot: ["type-only"] } : {}),
  },
}));

const onlyIn = (name, comment, modules, path) => ({
  name,
  comment,
  severity: "error",
  from: { path: "^src/", pathNot: path },
  to: { path: `(^|/)node_modules/(${modules.join("|")})(/|$)` },
});

module.exports = {
  forbidden: [
    ...roomRules,
    {
      name: "room-cli-types",
      comment: "src/cli may import types of src/checkpoint, and of no other room",
      severity: "error",
      from: { path: "^src/cli/" },
      to: {
        path: "^src/",
        pathNot: ["^src/(cli|checkpoint)/", ...rooms.cli.map(pattern)],
        dependencyTypes: ["type-only"],
      },
    },
    {
      name: "room-record-types",
      comment: "src/record may name the types of the library and of the trainer's reports: pages in a browser load it",
      severity: "error",
      from: { path: "^src/record/" },
      to: {
        path: "^src/",
        pathNot: ["^src/record/", "^src/index\\.ts$", "^src/trainer/contract\\.ts$", ...rooms.record.map(pattern)],
        dependencyTypes: ["type-only"],
      },
    },
    {
      name: "page-is-for-browsers",
      comment: "The dashboard's server gives browsers the page and the records, and nothing else of ours",
      severity: "error",
      from: { path: "^src/dashboard/page/" },
      to: { path: ".", pathNot: ["^src/dashboard/page/", "^src/record/", "(^|/)node_modules/uplot/"] },
    },
    {
      name: "errors-import-nothing",
      severity: "error",
      from: { path: "^src/errors\\.ts$" },
      to: { path: "." },
    },
    {
      name: "index-is-the-library",
      comment: "What users import never pulls in the command line, the trainer or the test suites",
      severity: "error",
      from: { path: "^src/index\\.ts$" },
      to: { path: "^src/(cli|trainer|testing|record|dashboard|exchange)/" },
    },
    {
      name: "known-room",
      comment: "A new folder needs its line in this file and in docs/design.md",
      severity: "error",
      from: { path: "^src/", pathNot: [`^src/(${Object.keys(rooms).join("|")})/`, "^src/(index|errors)\\.ts$"] },
      to: {},
    },
    {
      name: "source-stands-alone",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|examples|tools|dist|build)/" },
    },
    {
      name: "no-cycles",
      comment: "Types may name each other across files; what runs may not need itself",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^(vega-datasets)" } },
    {
      name: "no-development-packages",
      comment: "What is published may need only dependencies, the optional peers, and what tools/bundle.ts includes",
      severity: "error",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"],
        pathNot: "(^|/)node_modules/(zod|vega-datasets|@aws-sdk|@smithy|@azure|@google-cloud)/",
      },
    },
    onlyIn(
      "cloud-sdk-in-its-adapter",
      "Cloud SDKs are optional peers, loaded only when a URL asks for them",
      ["@google-cloud", "@aws-sdk", "@smithy", "@azure"],
      ["^src/store/(gcs|s3|azure)/"],
    ),
    onlyIn(
      "terminal-in-cli",
      "Only the command line prints",
      ["commander", "cli-progress", "cli-table3", "picocolors"],
      ["^src/cli/"],
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/trainer/kernels/assembly/" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
    skipAnalysisNotInRules: true,
  },
};
