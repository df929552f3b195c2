import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStrictJson } from "../../src/base/strict-json.ts";

const parse = (text: string, depth = 64): unknown => parseStrictJson(new TextEncoder().encode(text), depth);

describe("strict JSON", () => {
  it("reads whatever JSON.stringify writes, quotes and backslashes included", () => {
    const keys = fc.string({ unit: fc.constantFrom("a", '"', "\\", "{", "}", "[", ",", ":", "ä", "\u2028") });
    const value = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        keys,
        fc.constant(null),
        fc.array(tie("tree")),
        fc.dictionary(keys, tie("tree")),
      ),
    })).tree;
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (tree, space) => {
        const text = JSON.stringify(tree, null, space);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses a key that occurs twice in one object, however it is spelt, and only then", () => {
    expect(() => parse('{"a":1,"b":{"a":2},"a":3}')).toThrow(/"a" occurs twice/);
    expect(() => parse('{"a":1,"\\u0061":2}')).toThrow(/occurs twice/);
    expect(() => parse('{"\\\\":1,"\\\\":2}')).toThrow(/occurs twice/);
    expect(parse('[{"a":1},{"a":["a","a"]},"a"]')).toEqual([{ a: 1 }, { a: ["a", "a"] }, "a"]);
  });

  it("takes no string of an array for a key, also where the text breaks off its objects", () => {
    expect(parse('{"a":[{"b":1},"b","b"],"b":["a",{"a":1}]}')).toEqual({
      ...{ a: [{ b: 1 }, "b", "b"], b: ["a", { a: 1 }] },
    });
    expect(() => parse('{"a":[],"a":1}')).toThrow(/"a" occurs twice/);
    expect(() => parse('{"a":{},"a":1}')).toThrow(/"a" occurs twice/);
  });

  it("refuses __proto__ as a key, and lets it be a value", () => {
    expect(() => parse('{"__proto__":1}')).toThrow(/not allowed/);
    expect(() => parse('[{"_\\u005fproto__":1}]')).toThrow(/not allowed/);
    expect(parse('["__proto__",{"a":"__proto__"}]')).toEqual(["__proto__", { a: "__proto__" }]);
  });

  it("refuses deeper nesting than allowed, whatever brackets strings hold", () => {
    expect(parse("[[[]]]", 3)).toEqual([[[]]]);
    expect(() => parse("[[[]]]", 2)).toThrow(/deeper than 2/);
    expect(parse('["[[[[","\\"[[[["]', 1)).toEqual(["[[[[", '"[[[[']);
  });

  it("refuses what is not UTF-8 or not JSON", () => {
    expect(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22), 8)).toThrow(/encoded data/);
    expect(() => parseStrictJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31), 8)).toThrow(/JSON/);
    for (const bad of ["", "{", '{"a" 1}', "]", '"', '{"a":1}}', '{"a\\":1}', "NaN"])
      expect(() => parse(bad), bad).toThrow();
  });
});
