import { join, resolve, sep } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertObjectName, assertPrefix, compareNames, isObjectName } from "../../src/store/object-name.ts";

/** What names are made of, and what attackers put between. */
const PIECES = ["a", "Z9", "..", ".", "/", "//", "\\", "\0", ":", "%2e", ".tmp-", "-", "_", " ", "é", "~"] as const;
const nearlyNames = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(""));

/** True if the name leads to a file below the run, by exactly these folders. */
function staysInside(name: string): boolean {
  const root = resolve("/runs/run-1");
  const path = join(root, name);
  return (
    path.startsWith(root + sep) &&
    path
      .slice(root.length + 1)
      .split(sep)
      .join("/") === name
  );
}

describe("object names", () => {
  it("that are accepted stay below the run, and mean one file", () => {
    const anything = fc.oneof(nearlyNames, fc.string({ unit: "binary" }));
    const property = fc.property(anything, (name) => !isObjectName(name) || staysInside(name));
    expect(fc.check(property, { numRuns: 3000 })).toMatchObject({ failed: false });
  });

  it("may be listed by any beginning of theirs", () => {
    const parts = fc.array(fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/), { minLength: 1, maxLength: 4 });
    const property = fc.property(parts, (chosen) => {
      const name = chosen.join("/");
      assertObjectName(name);
      for (let length = 0; length <= name.length; length++) assertPrefix(name.slice(0, length));
    });
    expect(fc.check(property)).toMatchObject({ failed: false });
  });

  it("are ordered by UTF-16 code units", () => {
    const sorted = ["B", "a", "a-b", "a.b", "a/b", "a0", "b"];
    expect([...sorted].reverse().sort(compareNames)).toEqual(sorted);
    expect([compareNames("a", "a"), compareNames("a", "b"), compareNames("b", "a")]).toEqual([0, -1, 1]);
  });

  it.each([
    "",
    "/a",
    "a/",
    "a//b",
    "a/../b",
    ".",
    "a.",
    ".tmp-1",
    "a b",
    "ä",
    "a\\b",
    "x".repeat(201),
    "a/".repeat(450),
  ])("do not allow %s", (name) => {
    const refusal = { code: "VARVE_INVALID_ARGUMENT", argument: "name" };
    expect(() => assertObjectName(name)).toThrow(expect.objectContaining(refusal));
  });

  it.each(["/", "a//", "../", "a/../", ".tmp-1/", "a b", "ä", "x".repeat(901), 7, null])(
    "do not begin with %s, nor are listed by it",
    (prefix) => {
      const refusal = { code: "VARVE_INVALID_ARGUMENT", argument: "prefix" };
      expect(() => assertPrefix(prefix)).toThrow(expect.objectContaining(refusal));
    },
  );

  it.each(["varve.json", "writers/00000003.json", `packs/00000003-${"0".repeat(64)}.pack`, "a/b/c/d", ".hidden", "-"])(
    "allow %s",
    (name) => expect(isObjectName(name)).toBe(true),
  );
});
