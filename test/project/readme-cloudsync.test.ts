import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readmeCloudSync } from "../../tools/readme-loop.ts";
import { emptyProject } from "./empty-project.ts";

const root = join(import.meta.dirname, "..", "..");

it("README's lines for CloudSync work as they stand in an empty folder, and say nothing of a failure", () => {
  const folder = emptyProject();
  writeFileSync(join(folder, "cloud.ts"), readmeCloudSync(readFileSync(join(root, "README.md"), "utf8")));
  const env = { ...process.env, CLOUD_PROVIDER: "local", CLOUD_BUCKET: "bucket", CLOUD_PROJECT: "project" };
  const { status, stderr, stdout } = spawnSync(process.execPath, ["cloud.ts"], { cwd: folder, env, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringMatching(/FAILED|WARNING|Error/) });
  expect(stdout).toMatch(/^\{\s+pending: \d,\s+completed: \d,\s+failed: 0,\s[^{}]*retries: 0\s+\}\n$/);
  const file = readFileSync(join(folder, "bucket", "project", "checkpoints", "buffer.varve"));
  expect(file.equals(readFileSync(join(folder, "checkpoints", "buffer.varve")))).toBe(true);
});
