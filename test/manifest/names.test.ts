import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packName } from "../../src/codec/pack.ts";
import {
  checkpointName,
  compareCheckpoints,
  nextSequence,
  parseCheckpointName,
  parsePackName,
  parsePinName,
  parseWriterName,
  pinName,
  writerName,
} from "../../src/manifest/names.ts";

const position = fc.record({ epoch: fc.nat(99_999_999), sequence: fc.nat(2 ** 31 - 1) });

describe("names", () => {
  it("are read back, and sort as text as their numbers do", () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        expect(parseCheckpointName(checkpointName(a))).toEqual({ ...a, name: checkpointName(a) });
        const [left, right] = [checkpointName(a), checkpointName(b)];
        expect(Math.sign(compareCheckpoints(a, b))).toBe(left < right ? -1 : left > right ? 1 : 0);
        expect(parsePinName(pinName(checkpointName(a)))).toBe(checkpointName(a));
        expect(parseWriterName(writerName(a.epoch))).toBe(a.epoch);
      }),
    );
  });

  it("are written out in full", () => {
    expect(checkpointName({ epoch: 3, sequence: 12 })).toBe("checkpoints/00000003-000000000012.json");
    expect(writerName(3)).toBe("writers/00000003.json");
    expect(pinName("checkpoints/00000003-000000000012.json")).toBe("pins/00000003-000000000012.json");
  });

  it("of packs are those that the codec gives", () => {
    const sha256 = "0123456789abcdef".repeat(4);
    expect(parsePackName(packName(3, sha256))).toEqual({ name: packName(3, sha256), epoch: 3, sha256 });
  });

  it("of any other form are not taken for ours", () => {
    const strange = [
      "checkpoints/00000003-00000000012.json",
      "checkpoints/00000003-000000000012.json.tmp",
      "checkpoints/../00000003-000000000012.json",
      "x/checkpoints/00000003-000000000012.json",
      "checkpoints/00000003-000000000012.json\n",
      "checkpoints/-0000003-000000000012.json",
    ];
    for (const name of strange) expect(parseCheckpointName(name), name).toBeUndefined();
    expect(parsePackName("packs/00000003-abc.pack")).toBeUndefined();
    expect(parseWriterName("writers/3.json")).toBeUndefined();
    expect(parsePinName("pins/x")).toBeUndefined();
  });

  it("rule 9: a sequence is higher than that of any name ever seen, of whatever epoch, whole or not", () => {
    expect(nextSequence([])).toBe(1);
    const names = ["checkpoints/00000009-000000000004.json", "checkpoints/00000001-000000000031.json", "junk"];
    expect(nextSequence(names)).toBe(32);
  });
});
