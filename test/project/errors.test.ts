import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as errors from "../../src/errors.ts";

const root = join(import.meta.dirname, "..", "..");
const source = readFileSync(join(root, "src", "errors.ts"), "utf8");

/** Class and code as the source has them, in its order. */
const inSource = [...source.matchAll(/export class (\w+) extends VarveError \{\s+readonly code = "(\w+)";/g)].map(
  (match) => ({ className: match[1] ?? "", code: match[2] ?? "" }),
);

const rows = readFileSync(join(root, "docs", "errors.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

describe("errors", () => {
  it("every class has a literal code of its own", () => {
    const classes = Object.entries(errors).filter(([name]) => name.endsWith("Error") && !/^is|^VarveError$/.test(name));
    expect(inSource.map(({ className }) => className).sort()).toEqual(classes.map(([name]) => name).sort());
    expect(new Set(inSource.map(({ code }) => code)).size).toBe(inSource.length);
    for (const { code } of inSource) expect(code).toMatch(/^VARVE_[A-Z]+(_[A-Z]+)*$/);
    for (const [, value] of classes)
      expect((value as { prototype: unknown }).prototype).toBeInstanceOf(errors.VarveError);
  });

  it("docs/errors.md lists the same codes and classes in the same order", () => {
    const documented = rows.map(([, code, className]) => ({
      className: (className ?? "").replaceAll("`", ""),
      code: (code ?? "").replaceAll("`", ""),
    }));
    expect(documented).toEqual(inSource);
  });

  it("docs/errors.md says of each what it means and what to do", () => {
    for (const row of rows) {
      expect(row).toHaveLength(6);
      expect(row[3]).toMatch(/\.$/);
      expect(row[4]).toMatch(/\.$/);
    }
  });

  it("docs/errors.md tells every kind of StoreError, and whether a second try can help", () => {
    const union = /export type StoreErrorKind =([^;]+);/.exec(source)?.[1] ?? "";
    const kinds = [...union.matchAll(/"([\w-]+)"/g)].map(([, kind]) => kind as errors.StoreErrorKind);
    const section = readFileSync(join(root, "docs", "errors.md"), "utf8").split(/^## /m)[1] ?? "";
    const documented = [...section.matchAll(/^\| ([\w-]+) \| (yes|no) \| .*\. \| .*\. \|$/gm)];
    expect(documented.map(([, kind]) => kind)).toEqual(kinds);
    for (const [, kind, retryable] of documented) {
      const error = new errors.StoreError(kind as errors.StoreErrorKind, "put", "x", "");
      expect([kind, retryable]).toEqual([kind, error.retryable ? "yes" : "no"]);
    }
  });

  it("an error has its class's name and its hint, and isVarveError narrows by code", () => {
    const error: unknown = new errors.FencedError(1, 2);
    expect(error).toMatchObject({
      name: "FencedError",
      code: "VARVE_FENCED",
      hint: expect.stringContaining("End one"),
    });
    expect(errors.isVarveError(error)).toBe(true);
    expect(errors.isVarveError(error, "VARVE_FENCED", "VARVE_CLOSED")).toBe(true);
    expect(errors.isVarveError(error, "VARVE_CLOSED")).toBe(false);
    expect(errors.isVarveError(Object.assign(new Error("x"), { code: "VARVE_CLOSED" }), "VARVE_CLOSED")).toBe(true);
    expect(errors.isVarveError(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe(false);
    expect(errors.isVarveError({ code: "VARVE_CLOSED" })).toBe(false);
  });

  it("describes a received value briefly, never a whole buffer", () => {
    expect(errors.describeGot(0)).toBe("`0` (number)");
    expect(errors.describeGot(undefined)).toBe("`undefined` (undefined)");
    expect(errors.describeGot("a")).toBe('"a" (string)');
    expect(errors.describeGot(new Float32Array(9))).toBe("Float32Array(9)");
    expect(errors.describeGot([1, 2])).toBe("array(2)");
    expect(errors.describeGot(() => 1)).toBe("a function");
    expect(errors.describeGot("x".repeat(500)).length).toBeLessThan(100);
  });
});
