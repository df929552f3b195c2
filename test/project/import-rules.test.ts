import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** One planted import each, and the rule that must object to it; null: allowed. */
const planted: readonly (readonly [from: string, to: string, rule: string | null])[] = [
  ["src/errors.ts", "./base/a.ts", "errors-import-nothing"],
  ["src/base/b.ts", "../errors.ts", null],
  ["src/base/b.ts", "../schema/a.ts", "room-base"],
  ["src/schema/b.ts", "../base/a.ts", null],
  ["src/schema/b.ts", "../buffer/a.ts", "room-schema"],
  ["src/buffer/b.ts", "../schema/a.ts", null],
  ["src/buffer/b.ts", "../codec/a.ts", "room-buffer"],
  ["src/buffer/b.ts", "../store/store.ts", "room-buffer"],
  ["src/codec/b.ts", "../buffer/a.ts", "room-codec"],
  ["src/store/b.ts", "../codec/a.ts", "room-store"],
  ["src/store/b.ts", "../schema/a.ts", "room-store"],
  ["src/manifest/b.ts", "../store/store.ts", null],
  ["src/manifest/b.ts", "../store/a.ts", "room-manifest"],
  ["src/manifest/b.ts", "../transfer/a.ts", "room-manifest"],
  ["src/transfer/b.ts", "../store/store.ts", null],
  ["src/transfer/b.ts", "../store/a.ts", "room-transfer"],
  ["src/transfer/b.ts", "../schema/a.ts", "room-transfer"],
  ["src/checkpoint/b.ts", "../transfer/a.ts", null],
  ["src/checkpoint/b.ts", "../trainer/a.ts", "room-checkpoint"],
  ["src/checkpoint/b.ts", "../cli/a.ts", "room-checkpoint"],
  ["src/trainer/b.ts", "../index.ts", null],
  ["src/trainer/b.ts", "../buffer/a.ts", "room-trainer"],
  ["src/trainer/b.ts", "../base/a.ts", "room-trainer"],
  ["src/testing/b.ts", "../store/a.ts", null],
  ["src/testing/b.ts", "../checkpoint/a.ts", "room-testing"],
  ["src/cli/b.ts", "../trainer/a.ts", null],
  ["src/cli/b.ts", "../checkpoint/a.ts", "room-cli"],
  ["src/cli/b.ts", "type ../checkpoint/a.ts", null],
  ["src/cli/b.ts", "type ../manifest/a.ts", "room-cli-types"],
  ["src/record/b.ts", "type ../index.ts", null],
  ["src/record/b.ts", "type ../trainer/contract.ts", null],
  ["src/record/b.ts", "../index.ts", "room-record"],
  ["src/record/b.ts", "type ../trainer/a.ts", "room-record-types"],
  ["src/dashboard/b.ts", "../record/a.ts", null],
  ["src/dashboard/b.ts", "../trainer/a.ts", "room-dashboard"],
  ["src/dashboard/page/b.ts", "../../record/a.ts", null],
  ["src/dashboard/page/b.ts", "../../base/a.ts", "page-is-for-browsers"],
  ["src/dashboard/page/b.ts", "node:fs", "page-is-for-browsers"],
  ["src/exchange/b.ts", "../index.ts", null],
  ["src/exchange/b.ts", "../checkpoint/a.ts", "room-exchange"],
  ["src/novelty/b.ts", "../index.ts", "known-room"],
  ["src/index.ts", "./trainer/a.ts", "index-is-the-library"],
  ["src/base/b.ts", "../../test/a.ts", "source-stands-alone"],
  ["src/checkpoint/b.ts", "vitest", "no-development-packages"],
  ["src/checkpoint/b.ts", "picocolors", "terminal-in-cli"],
  ["src/cli/b.ts", "picocolors", null],
  ["src/base/b.ts", "./nowhere.ts", "resolvable"],
  ["src/base/b.ts", "./cycle.ts", "no-cycles"],
];

describe("import rules", () => {
  let folder: string;

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  function check(): { readonly status: number | null; readonly output: string } {
    const done = spawnSync(process.execPath, ["tools/check-imports.ts"], { cwd: folder, encoding: "utf8" });
    return { status: done.status, output: done.stdout + done.stderr };
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-imports-"));
    for (const name of [".dependency-cruiser.cjs", "tsconfig.json", "package.json", "tools"])
      cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("fails when there is nothing to look at", () => {
    write("src/notes.md", "");
    const { status, output } = check();
    expect(output).toContain("Expected modules");
    expect(status).toBe(1);
  });

  it("judges every planted import by its rule", () => {
    const judged = planted.map(([from, to], index) => {
      const file = index === 0 ? from : from.replace("/b.ts", `/b${index}.ts`);
      const specifier = to.replace(/^type /, "");
      write(
        file,
        `${to.startsWith("type ") ? "import type" : "import"} { x } from "${specifier}";\nexport const y = x;\n`,
      );
      return file;
    });
    write("src/base/cycle.ts", `import { y } from "./b${planted.length - 1}.ts";\nexport const x = y;\n`);
    for (const room of [
      "base",
      "buffer",
      "checkpoint",
      "cli",
      "codec",
      "manifest",
      "record",
      "schema",
      "store",
      "trainer",
      "transfer",
    ])
      write(`src/${room}/a.ts`, "export const x = 1;\n");
    write("src/store/store.ts", "export const x = 1;\n");
    write("src/trainer/contract.ts", "export const x = 1;\n");
    write("test/a.ts", "export const x = 1;\n");

    const { output } = check();
    const verdicts = planted.map(([from, to], index) => {
      const lines = output.split("\n").filter((line) => line.includes(`: ${judged[index]} -> `));
      return [from, to, lines[0]?.split(":")[0] ?? null];
    });
    expect(verdicts).toEqual(planted.map((row) => [...row]));
  });
});
