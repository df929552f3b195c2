import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { emptyProject } from "./empty-project.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "coming-from.md"), "utf8");

/** Each block of code with the heading that it stands under. */
const blocks = page.split(/^## /m).flatMap((section) => {
  const heading = section.slice(0, section.indexOf("\n"));
  return [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => ({ heading, code }));
});

describe("docs/coming-from.md", () => {
  it("has a block of code for each library", () => {
    expect(blocks.map(({ heading }) => heading)).toEqual(["From Stable-Baselines3", "From CleanRL", "From Orbax"]);
  });

  it.each(blocks)("$heading: the code prints what its comments say", ({ code }) => {
    const cwd = emptyProject();
    writeFileSync(join(cwd, "block.ts"), code);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["block.ts"], { cwd, encoding: "utf8" });
    const expected = [...code.matchAll(/^\/\/ prints: (.*)$/gm)].map(([, line]) => `${line}\n`);
    expect(expected.length).toBeGreaterThan(0);
    expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: "", stdout: expected.join("") });
  });

  it("names members of the API that exist", async () => {
    const { Checkpointer, ReplayBuffer } = await import("../../src/index.ts");
    const named = [...page.matchAll(/`(?:await )?(checkpointer|buffer)\.(\w+)/g)];
    expect(named.length).toBeGreaterThan(8);
    for (const [, owner, member = ""] of named) {
      const { prototype } = owner === "buffer" ? ReplayBuffer : Checkpointer;
      // Of Stable-Baselines3's buffer, which is shown beside ours, `add` is the only other one.
      expect([member, member in prototype]).toEqual([member, true]);
    }
  });
});
