import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { readmeCloudSync } from "../../tools/readme-loop.ts";

const root = join(import.meta.dirname, "..", "..");

it("README's lines for CloudSync work as they stand in an empty folder, and say nothing of a failure", () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-readme-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const varve = join(folder, "node_modules", "varve");
  mkdirSync(varve, { recursive: true });
  const index = pathToFileURL(join(root, "src", "index.ts")).href;
  writeFileSync(join(varve, "index.js"), `export * from ${JSON.stringify(index)};\n`);
  writeFileSync(join(varve, "package.json"), JSON.stringify({ name: "varve", type: "module", exports: "./index.js" }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "cloud.ts"), readmeCloudSync(readFileSync(join(root, "README.md"), "utf8")));
  const env = { ...process.env, CLOUD_PROVIDER: "local", CLOUD_BUCKET: "bucket", CLOUD_PROJECT: "project" };
  const { status, stderr, stdout } = spawnSync(process.execPath, ["cloud.ts"], { cwd: folder, env, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringMatching(/FAILED|WARNING|Error/) });
  expect(stdout).toMatch(/^\{ pending: \d, completed: \d, failed: 0 \}\n$/);
  const file = readFileSync(join(folder, "bucket", "project", "checkpoints", "buffer.varve"));
  expect(file.equals(readFileSync(join(folder, "checkpoints", "buffer.varve")))).toBe(true);
});
