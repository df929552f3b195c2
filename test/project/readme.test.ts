import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readmeLoop } from "../../tools/readme-loop.ts";

const root = join(import.meta.dirname, "..", "..");
const readme = readFileSync(join(root, "README.md"), "utf8");

describe("README", () => {
  it("adds Varve to a loop in ten lines, numbered, each using it", () => {
    const numbered = [...readmeLoop(readme).matchAll(/\/\/ (\d+)(?::.*)?$/gm)].map((match) => Number(match[1]));
    expect(numbered).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const rest = readmeLoop(readme)
      .split("\n")
      .filter((line) => !/\/\/ \d+/.test(line))
      .join("\n");
    expect(rest).not.toMatch(/checkpointer|buffer\.(?!size)|Varve/);
  });

  it.each(["README.md", "CONTRIBUTING.md", "docs/design.md", "docs/errors.md", "docs/coming-from.md"])(
    "%s links to files that exist",
    (file) => {
      const text = readFileSync(join(root, file), "utf8");
      const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? "");
      const missing = targets.filter((target) => !existsSync(join(root, dirname(file), target)));
      expect(missing).toEqual([]);
    },
  );

  it("names only commands that package.json has", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const named = [readme, readFileSync(join(root, "CONTRIBUTING.md"), "utf8")]
      .flatMap((text) => [...text.matchAll(/`npm run ([\w:]+)/g)])
      .map((match) => match[1] ?? "");
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});
