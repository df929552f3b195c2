import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "./support.ts";

const SCRIPT = fileURLToPath(new URL("./fixtures/odd-names.ts", import.meta.url));

it("the name of a file cannot forge a line of the log, nor speak to the terminal", async () => {
  const { stderr } = await promisify(execFile)(process.execPath, [SCRIPT, await temporaryFolder()]);
  const lines = stderr.split("\n");
  expect(lines.pop()).toBe("");
  const names = lines.filter((line) => line.includes("log\\u001b[31m\\r\\u009b2J\\u202e\\nvarve: all is well\\u2028"));
  expect(names.length).toBeGreaterThanOrEqual(4);
  expect(lines.filter((line) => !line.startsWith("varve: "))).toEqual([]);
  expect(lines.filter((line) => /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u.test(line))).toEqual([]);
});
