import { describe, expect, it } from "vitest";
import { LogCoverage } from "../../../src/checkpoint/saver/coverage.ts";
import { encodeItem } from "../../../src/checkpoint/saver/encode.ts";
import { MemoryPressure } from "../../../src/checkpoint/saver/memory-pressure.ts";
import { PackAssembler, type PackSink } from "../../../src/checkpoint/saver/pack-assembler.ts";
import type { PackRecord } from "../../../src/checkpoint/saver/pack-record.ts";
import { SharedStatus } from "../../../src/checkpoint/shared-status.ts";
import type { EncodedSection } from "../../../src/codec/contract.ts";
import { readPackIndex } from "../../../src/codec/pack-index.ts";
import { parseFields } from "../../../src/schema/fields.ts";
import { layOut } from "../../../src/schema/layouts.ts";

const fields = { observation: { dtype: "uint8", shape: [64] }, action: { dtype: "int32", shape: [] } };
const [layout] = layOut(parseFields(fields), 1000);
const LOG = "default/transitions";
const BIG_PACK_BYTES = 9 * 1024 * 1024;

function rows(from: number, to: number): EncodedSection[] {
  if (layout === undefined) throw new Error("no layout");
  const memory = new SharedArrayBuffer(layout.blockBytes);
  return [...encodeItem({ kind: "rows", log: LOG, layout, memory, from, to })];
}

/** Large enough to close a pack by itself. */
function bulk(): EncodedSection[] {
  const content = { kind: "tensor", sha256: "0".repeat(64) } as const;
  const bytes = new Uint8Array(BIG_PACK_BYTES);
  const shape = [bytes.length];
  return [{ content, dtype: "uint8", shape, codecs: [], rawBytes: bytes.length, crc32c: 0, bytes }];
}

/** A sink that has no room until it is let through. */
function narrowSink(): { readonly sink: PackSink; readonly packs: Uint8Array[]; readonly letThrough: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const packs: Uint8Array[] = [];
  const write: PackSink["write"] = async (_name, bytes) => {
    packs.push(bytes);
    await promise;
    return { stored: Promise.resolve() };
  };
  return { sink: { write }, packs, letThrough: resolve };
}

describe("sections that wait for room in a pack", () => {
  it("come into none once their save is given up: the next save brings the same rows", async () => {
    const status = new SharedStatus();
    const pressure = new MemoryPressure(status, 1024, { onPinned: () => undefined, onHeld: () => undefined });
    const { sink, packs, letThrough } = narrowSink();
    const coverage = new LogCoverage();
    const assembler = new PackAssembler(1, sink, (record) => coverage.dropPack(record));
    const full = assembler.add(LOG, bulk());
    while (packs.length === 0) await new Promise(setImmediate);
    const onPlaced = (record: PackRecord): void => coverage.assign(0, 10, record);
    const add = (sequence: number): Promise<unknown> =>
      pressure.unlessAsked(sequence, (signal) => assembler.add(LOG, rows(0, 10), { onPlaced, signal }));
    await pressure.during(async () => {
      const first = add(1);
      status.abandonUpTo(1, 2048);
      await expect(first).rejects.toMatchObject({ code: "VARVE_MEMORY_PRESSURE" });
      expect(coverage.missing({ from: 0, to: 10 })).toEqual([{ from: 0, to: 10 }]);
      const second = add(2);
      letThrough();
      await Promise.all([full, second]);
    });
    await assembler.flush();
    expect(coverage.missing({ from: 0, to: 10 })).toEqual([]);
    const held = readPackIndex(packs.at(-1) ?? new Uint8Array(), "pack").sections.map(({ content }) => content);
    expect(held).toEqual(
      layout?.columns.map(({ name }) => ({ kind: "rows", log: LOG, column: name, from: 0, to: 10 })),
    );
  });

  it("count as stored where they had come into a pack before their save was given up", async () => {
    const { sink, packs, letThrough } = narrowSink();
    const coverage = new LogCoverage();
    const assembler = new PackAssembler(1, sink, (record) => coverage.dropPack(record));
    const asked = new AbortController();
    const onPlaced = (record: PackRecord): void => coverage.assign(0, 10, record);
    const added = assembler.add(LOG, [...rows(0, 10), ...bulk()], { onPlaced, signal: asked.signal });
    while (packs.length === 0) await new Promise(setImmediate);
    asked.abort(new Error("given up"));
    expect(coverage.missing({ from: 0, to: 10 })).toEqual([]);
    letThrough();
    await added;
    await assembler.flush();
    expect(packs).toHaveLength(1);
  });
});
