import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c } from "../../src/base/hash.ts";
import { decodeSection, encodeSection, nextOfColumn } from "../../src/codec/section.ts";
import { CorruptError, InvalidArgumentError } from "../../src/errors.ts";
import { bytesPerElement, type DType } from "../../src/schema/dtype.ts";
import { bytesOf, entryOf, roundTrip, sourceOf } from "./sections.ts";

interface Rows {
  readonly observation: Uint8Array;
  readonly next: Uint8Array;
  readonly env: Uint16Array;
}

/** Rows in which `next` repeats the env's next observation, except where `isException` says so. */
function chain(envs: readonly number[], rowBytes: number, isException: (row: number) => boolean): Rows {
  const rows = envs.length;
  const observation = Uint8Array.from({ length: rows * rowBytes }, (_, i) => (i * 131 + (i >> 3)) & 255);
  const next = new Uint8Array(rows * rowBytes).fill(0xee);
  for (let row = 0; row < rows; row++) {
    const following = envs.indexOf(envs[row] as number, row + 1);
    if (following < 0 || isException(row)) continue;
    next.set(observation.subarray(following * rowBytes, (following + 1) * rowBytes), row * rowBytes);
  }
  return { observation, next, env: Uint16Array.from(envs) };
}

const anyRows = fc.record({
  envs: fc.array(fc.constantFrom(0, 1, 2, 65_535), { maxLength: 60 }),
  dtype: fc.constantFrom<DType>("float32", "uint8", "float64", "int16"),
  width: fc.integer({ min: 1, max: 5 }),
  exceptions: fc.array(fc.boolean(), { minLength: 1, maxLength: 13 }),
});

describe("next-of", () => {
  it("gives back any next observations, in whatever order the envs come", () => {
    fc.assert(
      fc.property(anyRows, ({ envs, dtype, width, exceptions }) => {
        const rowBytes = width * bytesPerElement(dtype);
        const rows = chain(envs, rowBytes, (row) => exceptions[row % exceptions.length] as boolean);
        const next = { column: "observation", observation: rows.observation, env: rows.env };
        const source = { ...sourceOf(rows.next, dtype, [width], "next-of", next), shape: [envs.length, width] };
        expect([...roundTrip(source)]).toEqual([...rows.next]);
      }),
      { numRuns: 1000 },
    );
  });

  it("stores only the last row of each env where every other repeats", () => {
    const rows = chain(
      Array.from({ length: 999 }, (_, i) => i % 3),
      12,
      () => false,
    );
    const next = { column: "observation.pose", observation: rows.observation, env: rows.env };
    const section = encodeSection(sourceOf(rows.next, "float32", [3], "next-of", next));
    expect(section.bytes.length).toBeLessThan(100);
    expect(section.codecs[0]).toEqual({
      name: "varve.next-of",
      configuration: { observation: "observation.pose", env: "env", exceptions: 3, elementsize: 4 },
    });
    expect(nextOfColumn(entryOf(section))).toBe("observation.pose");
  });

  it("compares bytes: NaN of another payload and -0 against 0 are exceptions, equal NaN is none", () => {
    const observation = Uint32Array.of(5, 0x7fc00000, 0x80000000, 0x7fc00001);
    const nextValues = Uint32Array.of(0x7fc00000, 0, 0x7fc00002, 9);
    const env = new Uint16Array(4);
    const next = { column: "observation", observation: bytesOf(observation), env };
    const source = sourceOf(bytesOf(nextValues), "float32", [], "next-of", next);
    const section = encodeSection(source);
    expect(section.codecs[0]?.configuration["exceptions"]).toBe(3);
    expect([...roundTrip(source)]).toEqual([...bytesOf(nextValues)]);
  });

  it("needs the observation and env of the same rows", () => {
    const rows = chain([0, 0, 0, 0, 0, 0, 0, 0], 8, () => false);
    const next = { column: "observation", observation: rows.observation, env: rows.env };
    const source = sourceOf(rows.next, "float64", [1], "next-of", next);
    expect(() => encodeSection({ ...source, next: undefined })).toThrow(InvalidArgumentError);
    expect(() => encodeSection({ ...source, next: { ...next, env: rows.env.subarray(1) } })).toThrow(/`next`/);
    const section = encodeSection(source);
    expect(() => decodeSection(entryOf(section), section.bytes)).toThrow(InvalidArgumentError);
  });

  it("of no rows is nothing, and stays so", () => {
    const nothing = new Uint8Array(0);
    const next = { column: "observation", observation: nothing, env: new Uint16Array(0) };
    const source = { ...sourceOf(nothing, "float32", [3], "next-of", next), shape: [0, 3] };
    expect(encodeSection(source)).toMatchObject({ rawBytes: 0, bytes: nothing, shape: [0, 3] });
    expect(roundTrip(source)).toEqual(nothing);
    // As another writer may have stored it.
    const configuration = { observation: "observation", env: "env", exceptions: 0, elementsize: 4 };
    const entry = { ...entryOf(encodeSection(source)), codecs: [{ name: "varve.next-of", configuration }] };
    expect(decodeSection(entry, nothing, { next })).toEqual(nothing);
  });

  it("refuses a bitmap that leaves a row without any source, or counts wrongly", () => {
    const rows = chain([0, 0, 0, 0, 0, 0, 0, 0], 8, () => false);
    const next = { column: "observation", observation: rows.observation, env: rows.env };
    const section = encodeSection(sourceOf(rows.next, "float64", [1], "next-of", next));
    const entry = entryOf(section);
    const decode = (bitmap: number): Uint8Array => {
      const bytes = Uint8Array.from(section.bytes);
      bytes[0] = bitmap;
      return decodeSection({ ...entry, crc32c: crc32c(bytes) }, bytes, { next });
    };
    expect(section.bytes[0]).toBe(0x80);
    expect(() => decode(0x01)).toThrow(/a row is left out/);
    expect(() => decode(0x81)).toThrow(/bitmap/);
    expect(() => decode(0x01)).toThrow(CorruptError);
  });
});
