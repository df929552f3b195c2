import { describe, expect, it } from "vitest";
import { crc32c } from "../../src/base/hash.ts";

describe("crc32c", () => {
  const digits = new TextEncoder().encode("123456789");

  it("has the check value of Castagnoli's polynomial", () => {
    expect(crc32c(digits)).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it("goes on from the bytes before", () => {
    for (let at = 0; at <= digits.length; at++) {
      expect(crc32c(digits.subarray(at), crc32c(digits.subarray(0, at)))).toBe(0xe3069283);
    }
  });
});
