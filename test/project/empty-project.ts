import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** An empty project that has Varve installed. */
export function emptyProject(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const varve = join(folder, "node_modules", "varve");
  mkdirSync(varve, { recursive: true });
  const index = pathToFileURL(join(root, "src", "index.ts")).href;
  writeFileSync(join(varve, "index.js"), `export * from ${JSON.stringify(index)};\n`);
  writeFileSync(join(varve, "package.json"), JSON.stringify({ name: "varve", type: "module", exports: "./index.js" }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  return folder;
}
