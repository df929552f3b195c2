/**
 * Writes `test/golden/v1`: once per version of the format, and never again. Run by hand: `node tools/make-golden.ts`.
 * Files that exist stay as they are.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildGoldenRun } from "../test/golden/golden-run.ts";

const folder = join(import.meta.dirname, "../test/golden/v1");
const { objects, expected } = buildGoldenRun();
const facts = new TextEncoder().encode(`${JSON.stringify({ zstd: process.versions["zstd"], expected }, null, 2)}\n`);
for (const [name, bytes] of [...objects, ["expected.json", facts] as const]) {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) writeFileSync(path, bytes);
}
