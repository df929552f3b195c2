// `npm run imports`: dependency-cruiser over src/, failing also when it saw nothing, which it calls a success.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

interface Report {
  readonly summary: {
    readonly totalCruised: number;
    readonly totalDependenciesCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
      readonly cycle?: readonly { readonly name: string }[];
    }[];
  };
}

const root = join(import.meta.dirname, "..");
const depcruise = join(root, "node_modules", "dependency-cruiser", "bin", "dependency-cruiser.mjs");
const config = join(root, ".dependency-cruiser.cjs");
const done = spawnSync(process.execPath, [depcruise, "--config", config, "--output-type", "json", "src"], {
  encoding: "utf8",
  maxBuffer: 2 ** 28,
  stdio: ["ignore", "pipe", "inherit"],
});

function parse(text: string): Report["summary"] | null {
  return text.startsWith("{") ? (JSON.parse(text) as Report).summary : null;
}

const summary = parse(done.stdout);
if (summary === null || summary.totalCruised === 0 || summary.totalDependenciesCruised === 0) {
  console.error(`Expected modules and dependencies to look at, got ${JSON.stringify(summary)} ${done.stdout}`);
  process.exit(1);
}
for (const { from, to, rule, cycle } of summary.violations) {
  const path = cycle === undefined ? to : cycle.map((module) => module.name).join(" -> ");
  console.error(`${rule.name}: ${from} -> ${path}`);
}
console.log(
  `${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports, ${summary.violations.length} against the rules`,
);
process.exit(summary.violations.length === 0 ? 0 : 1);
