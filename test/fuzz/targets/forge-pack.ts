import { crc32c, sha256Hex } from "../../../src/base/hash.ts";
import { compressZstd } from "../../../src/base/zstd.ts";
import type { EncodedSection, SectionContent } from "../../../src/codec/contract.ts";
import { buildPack } from "../../../src/codec/pack.ts";
import { encodeSection } from "../../../src/codec/section.ts";
import type { DType } from "../../../src/schema/dtype.ts";
import type { Filter } from "../../../src/schema/log-layout.ts";
import { bytesOf, rowsOf, sourceOf } from "../../codec/sections.ts";

export interface Trailer {
  indexBytes: number;
  indexRawBytes: number;
  indexCrc32c: number;
  encoding: number;
  packBytes: number;
  major: number;
  minor: number;
}

/** A pack around any sections and any index, with every checksum right: what a hostile writer would make. */
export function forgePack(
  sections: Uint8Array,
  index: Uint8Array,
  options: { readonly isCompressed?: boolean; readonly change?: (trailer: Trailer) => void } = {},
): Uint8Array {
  const stored = options.isCompressed === true ? compressZstd(index, 1) : index;
  const head = Buffer.concat([Buffer.from("VARVPACK"), sections, stored]);
  const trailer: Trailer = {
    ...{ indexBytes: stored.length, indexRawBytes: index.length, indexCrc32c: crc32c(stored) },
    ...{ encoding: options.isCompressed === true ? 1 : 0, packBytes: head.length + 40, major: 1, minor: 0 },
  };
  options.change?.(trailer);
  const tail = Buffer.alloc(40);
  tail.writeUInt32LE(trailer.indexBytes >>> 0, 0);
  tail.writeUInt32LE(trailer.indexRawBytes >>> 0, 4);
  tail.writeUInt32LE(trailer.indexCrc32c >>> 0, 8);
  tail.writeUInt32LE(trailer.encoding >>> 0, 12);
  tail.writeBigUInt64LE(BigInt.asUintN(64, BigInt(Math.trunc(trailer.packBytes))), 16);
  tail.writeUInt16LE(trailer.major & 0xffff, 24);
  tail.writeUInt16LE(trailer.minor & 0xffff, 26);
  tail.writeUInt32LE(crc32c(tail.subarray(0, 28)), 28);
  tail.write("VARVEEND", 32);
  return Buffer.concat([head, tail]);
}

const ROWS = 24;
const raw = {
  reward: bytesOf(Float32Array.from({ length: ROWS }, (_, row) => row / 3)),
  ids: bytesOf(Uint32Array.from({ length: 4 * ROWS }, (_, i) => 1000 + i)),
  flags: bytesOf(Uint8Array.from({ length: ROWS }, (_, row) => row % 2)),
  value: bytesOf(Float64Array.from({ length: ROWS }, (_, row) => Math.sqrt(row))),
  env: bytesOf(Uint16Array.from({ length: ROWS }, (_, row) => row % 3)),
  observation: bytesOf(Float32Array.from({ length: 2 * ROWS }, (_, i) => i)),
  nextObservation: bytesOf(Float32Array.from({ length: 2 * ROWS }, (_, i) => (i < 40 ? i + 6 : -i))),
};

function section(column: keyof typeof raw, dtype: DType, rowShape: readonly number[], filter: Filter): EncodedSection {
  const next = { column: "observation", observation: raw.observation, env: new Uint16Array(raw.env.buffer) };
  const source = sourceOf(raw[column], dtype, rowShape, filter, filter === "next-of" ? next : undefined);
  return encodeSection({ ...source, content: rowsOf(column, 0, ROWS) });
}

const tensor: SectionContent = { kind: "tensor", sha256: sha256Hex(raw.value) };

/** A section for every codec there is, and what decoding it gives. */
export const sound = {
  "shuffle of 2": [section("env", "uint16", [], "shuffle")],
  "shuffle of 4": [section("reward", "float32", [], "shuffle")],
  "shuffle of 8": [section("value", "float64", [], "shuffle")],
  delta: [section("ids", "uint32", [4], "delta-shuffle")],
  none: [section("flags", "uint8", [], "none")],
  tensor: [encodeSection({ ...sourceOf(raw.value, "float64", [], "shuffle"), content: tensor })],
  "next-of": [
    section("env", "uint16", [], "shuffle"),
    section("observation", "float32", [2], "shuffle"),
    section("nextObservation", "float32", [2], "next-of"),
  ],
} satisfies Record<string, readonly EncodedSection[]>;

export const allSections: readonly EncodedSection[] = [
  ...sound["shuffle of 4"],
  ...sound["shuffle of 8"],
  ...sound.delta,
  ...sound.none,
  ...sound["next-of"],
  ...sound.tensor,
];

/** What a section of the sound pack decodes to. */
export function rawOf(content: SectionContent): Uint8Array | undefined {
  return content.kind === "tensor" ? raw.value : raw[content.column as keyof typeof raw];
}

export interface PackParts {
  /** All sections, one after another. */
  readonly bytes: Uint8Array;
  /** The index as JSON. */
  readonly index: string;
  readonly pack: Uint8Array;
}

export function packOf(sections: readonly EncodedSection[]): PackParts {
  const { entries, bytes: pack } = buildPack(sections, { epoch: 1 });
  const index = JSON.stringify({ requires: [], sections: entries });
  return { bytes: Buffer.concat(sections.map(({ bytes }) => bytes)), index, pack };
}
