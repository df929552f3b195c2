import { expect, it } from "vitest";
import type { LoadedPack } from "../../../src/checkpoint/saver/pack-reader.ts";
import { decodeGroup, sectionGroups } from "../../../src/checkpoint/saver/section-groups.ts";
import type { EncodedSection } from "../../../src/codec/contract.ts";
import { buildPack } from "../../../src/codec/pack.ts";
import { readPackIndex } from "../../../src/codec/pack-index.ts";
import { decodeSection, encodeSection } from "../../../src/codec/section.ts";
import { sectionBytes } from "../../../src/codec/section-size.ts";
import type { DType } from "../../../src/schema/dtype.ts";
import type { Column } from "../../../src/schema/log-layout.ts";
import { bytesOf, rowsOf } from "../../codec/sections.ts";

const LOG = "default/transitions";

function packOf(...sections: readonly EncodedSection[]): LoadedPack {
  const { bytes } = buildPack(sections, { epoch: 1 });
  return { name: "pack", index: readPackIndex(bytes, "pack"), stored: (entry) => sectionBytes(bytes, entry) };
}

/** Rows of one number each. */
function rows(column: string, from: number, values: ArrayLike<number>, dtype: DType = "float32"): EncodedSection {
  const raw = bytesOf(dtype === "float32" ? Float32Array.from(values) : Uint16Array.from(values));
  const content = rowsOf(column, from, from + values.length, LOG);
  return encodeSection({ content, dtype, shape: [values.length], filter: "none", raw });
}

const column = (name: string, dtype: DType = "float32", shape: readonly number[] = []): Column => {
  return { name, dtype, shape, elementsPerRow: 1, bytesPerRow: 4, offset: 0, filter: "none" };
};

const decode = (pack: LoadedPack, columns: readonly Column[]): Promise<Map<string, Uint8Array>> => {
  const [group] = sectionGroups(pack, LOG, 0, 100);
  if (group === undefined) throw new Error("no group");
  return decodeGroup({ pack, decode: decodeSection }, group, columns);
};

it("groups the columns of equal rows, in order of rows, and leaves others out", () => {
  const tensor = { ...rows("x", 0, [1]), content: { kind: "tensor", sha256: "0".repeat(64) } as const };
  const pack = packOf(rows("b", 4, [1, 2]), rows("a", 0, [1, 2]), rows("b", 0, [3, 4]), rows("a", 20, [5]), tensor);
  const groups = sectionGroups(pack, LOG, 1, 20);
  expect(groups.map(({ from, to, entries }) => [from, to, entries.length])).toEqual([
    [0, 2, 2],
    [4, 6, 1],
  ]);
  expect(sectionGroups(pack, "default/other", 0, 100)).toEqual([]);
});

it("decodes each column, and refuses one that is missing or of another type or shape, by name", async () => {
  const pack = packOf(rows("a", 0, [1, 2]), rows("b", 0, [3, 4], "uint16"));
  const decoded = await decode(pack, [column("a"), column("b", "uint16")]);
  expect(decoded.get("a")).toEqual(bytesOf(Float32Array.of(1, 2)));
  await expect(decode(pack, [column("c")])).rejects.toThrow("column c of rows 0 to 2 is missing");
  await expect(decode(pack, [column("b")])).rejects.toThrow("column b is uint16 2, expected float32 2");
  await expect(decode(pack, [column("a", "float32", [3])])).rejects.toThrow("is float32 2, expected float32 2 × 3");
});

it("decodes what repeats another column after it, and refuses it without that", async () => {
  const observation = Float32Array.of(1, 2, 3);
  const next = { column: "observation", observation: bytesOf(observation), env: Uint16Array.of(0, 0, 0) };
  const repeating = encodeSection({
    ...{ content: rowsOf("next", 0, 3, LOG), dtype: "float32", shape: [3], filter: "next-of", next },
    raw: bytesOf(Float32Array.of(2, 3, 9)),
  });
  const env = rows("env", 0, [0, 0, 0], "uint16");
  const columns = [{ ...column("next"), filter: "next-of" } as Column, column("observation"), column("env", "uint16")];
  const decoded = await decode(packOf(repeating, rows("observation", 0, observation), env), columns);
  expect(decoded.get("next")).toEqual(bytesOf(Float32Array.of(2, 3, 9)));
  const alone = packOf(repeating, rows("observation", 0, observation), env);
  for (const known of [columns.slice(0, 1), columns.slice(0, 2)]) {
    await expect(decode(alone, known)).rejects.toThrow();
  }
});
