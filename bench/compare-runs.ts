// `npm run bench:compare -- before.json after.json`: see README.md beside this file.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Change, compareRuns, describeMismatch, parseRun, type Run } from "./support/comparison.ts";
import { formatFigure } from "./support/table.ts";

const [EQUAL, WORSE, UNUSABLE] = [0, 1, 2];

function read(path: string): Run {
  try {
    return parseRun(readFileSync(path, "utf8"));
  } catch (error) {
    return refuse(`${path} is no file of \`npm run bench -- --json\`: ${(error as Error).message}`);
  }
}

function refuse(reason: string): never {
  console.error(reason);
  process.exit(UNUSABLE);
}

function lines(title: string, changes: readonly Change[]): string {
  const texts = changes.map(({ key, before, after }) => `  ${key}: ${formatFigure(before)} → ${formatFigure(after)}\n`);
  return `${changes.length} ${title}\n${texts.join("")}`;
}

function main(): number {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [first, second, ...rest] = positionals;
  if (first === undefined || second === undefined || rest.length > 0) {
    return refuse("Usage: npm run bench:compare -- before.json after.json");
  }
  const [before, after] = [read(first), read(second)];
  const mismatch = describeMismatch(before, after);
  if (mismatch !== null) return refuse(`The two runs cannot be compared: ${mismatch}`);
  const { changes, compared, onlyBefore, onlyAfter } = compareRuns(before, after);
  if (compared === 0) return refuse("The two runs cannot be compared: they have no quantity in common");
  const worse = changes.filter(({ isBetter }) => !isBetter);
  console.log(`${compared} quantities, ${before.machine.commit} → ${after.machine.commit}`);
  const better = changes.filter(({ isBetter }) => isBetter);
  console.log(lines("worse", worse) + lines("better", better).trimEnd());
  for (const [which, keys] of Object.entries({ before: onlyBefore, after: onlyAfter })) {
    if (keys.length > 0) console.log(`only ${which}: ${keys.join("; ")}`);
  }
  return worse.length > 0 ? WORSE : EQUAL;
}

process.exitCode = main();
