import { describe, expect, it } from "vitest";
import { parseCodecs } from "../../src/codec/codec-chain.ts";

const good = { observation: "observation", env: "env", exceptions: 2, elementsize: 4 };
const parse = (configuration: Readonly<Record<string, unknown>>) =>
  parseCodecs([{ name: "varve.next-of", configuration }], "packs/x");

describe("the parameters of varve.next-of", () => {
  it("are read", () => {
    expect(parse(good)).toEqual({
      ...{ delta: false, nextOf: { observation: "observation", exceptions: 2 }, elementSize: 4, zstd: false },
    });
  });

  it.each([
    ["a column that is no name", { observation: 5 }, "are not those that it has"],
    ["another column for env", { env: "episode" }, "are not those that it has"],
    ["a number of rows that is text", { exceptions: "2" }, "are not those that it has"],
    ["less than no rows", { exceptions: -1 }, "declares -1 stored rows"],
    ["half a row", { exceptions: 0.5 }, "declares 0.5 stored rows"],
  ])("are refused with %s", (_, change, text) => {
    expect(() => parse({ ...good, ...change })).toThrow(
      expect.objectContaining({
        code: "VARVE_CORRUPT",
        objectName: "packs/x",
        message: expect.stringContaining(text),
      }),
    );
  });
});
