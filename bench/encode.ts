import { gzipSync } from "node:zlib";
import { freeMemory } from "../src/base/memory.ts";
import { compressZstd } from "../src/base/zstd.ts";
import { encodeItem, type RowsToEncode } from "../src/checkpoint/saver/encode.ts";
import { parseFields } from "../src/schema/fields.ts";
import { layOut } from "../src/schema/layouts.ts";
import { type Column, columnBytes, type LogLayout } from "../src/schema/log-layout.ts";
import { atLeast, atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { marketFrames, pendulumRows } from "./support/columns.ts";
import { gameFrames, market, noise } from "./support/data.ts";
import { type Figure, figure, ratios } from "./support/figure.ts";
import { speeds, timeInTurns } from "./support/turns.ts";

/*
 * What the saver's threads do to full blocks: filter, zstd, checksum. The blocks are laid out as a buffer lays them
 * out, and go through the function that the encoder's thread calls. One thread, as in a save.
 */

const PENDULUM_FIELDS = {
  observation: { dtype: "float32", shape: [3] },
  action: { dtype: "float32", shape: [1] },
};

interface Kind {
  readonly name: string;
  /** What to hold to, of gzip-6's size; null for columns that are no floats. */
  readonly sizeTarget: number | null;
  readonly blocks: readonly RowsToEncode[];
}

interface Fill {
  readonly layout: LogLayout;
  readonly blocks: number;
  /** Writes one column of the block's rows. */
  readonly write: (column: Column, target: Uint8Array, block: number) => void;
}

function fillBlocks({ layout, blocks, write }: Fill): RowsToEncode[] {
  return Array.from({ length: blocks }, (_, block) => {
    const memory = new SharedArrayBuffer(layout.blockBytes);
    const [from, to] = [block * layout.rowsPerBlock, (block + 1) * layout.rowsPerBlock];
    for (const column of layout.columns) write(column, columnBytes(layout, column, memory, from, to), block);
    return { kind: "rows", log: `default/${layout.name}`, layout, memory, from, to };
  });
}

/** The log of frames of a buffer that has such an observation. */
function framesLayout(observation: { readonly dtype: string; readonly shape: readonly number[] }): LogLayout {
  const action = { dtype: "float32", shape: [1] };
  const declared = { observation: { ...observation, frames: observation.shape[0] }, action };
  return layOut(parseFields(declared), 1_000_000)[1] as LogLayout;
}

/** The log of a buffer that is not told that its observations consist of frames. */
function wholeLayout(shape: readonly number[]): LogLayout {
  const declared = { observation: { dtype: "float32", shape }, action: { dtype: "float32", shape: [1] } };
  return layOut(parseFields(declared), 1_000_000)[1] as LogLayout;
}

/** Windows that move on by one day each. */
function slidingWindows(count: number): Float32Array {
  const frames = marketFrames(market.frames + count);
  const length = market.frames * market.frameLength;
  const windows = new Float32Array(count * length);
  for (let i = 0; i < count; i++) {
    windows.set(frames.subarray(i * market.frameLength, i * market.frameLength + length), i * length);
  }
  return windows;
}

/** Blocks of a log of frames, cut from an array that holds enough of them. */
function frameBlocks(
  layout: LogLayout,
  blocks: number,
  create: (frames: number) => Float32Array | Uint8Array,
): readonly RowsToEncode[] {
  const { buffer, byteOffset, byteLength } = create(blocks * layout.rowsPerBlock);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const write: Fill["write"] = (_column, target, block) =>
    target.set(bytes.subarray(block * target.length, (block + 1) * target.length));
  return fillBlocks({ layout, blocks, write });
}

function pendulumBlocks(blocks: number): RowsToEncode[] {
  const layout = layOut(parseFields(PENDULUM_FIELDS), 1_000_000)[0] as LogLayout;
  const rows = pendulumRows(3);
  return Array.from({ length: blocks }, (_, block) => {
    const columns = new Map<string, Float32Array | Uint8Array>();
    const write: Fill["write"] = ({ name, dtype }, { buffer, byteOffset, length }) => {
      const floats = dtype === "float32";
      columns.set(
        name,
        floats ? new Float32Array(buffer, byteOffset, length / 4) : new Uint8Array(buffer, byteOffset, length),
      );
    };
    const [filled] = fillBlocks({ layout, blocks: 1, write }) as [RowsToEncode];
    for (let row = 0; row < layout.rowsPerBlock; row++) writePendulumRow(columns, row, rows.next().value);
    const from = block * layout.rowsPerBlock;
    return { ...filled, from, to: from + layout.rowsPerBlock };
  });
}

function writePendulumRow(
  columns: ReadonlyMap<string, Float32Array | Uint8Array>,
  row: number,
  value: ReturnType<ReturnType<typeof pendulumRows>["next"]>["value"],
): void {
  columns.get("observation")?.set(value.observation, row * 3);
  columns.get("nextObservation")?.set(value.nextObservation, row * 3);
  columns.get("action")?.set(value.action, row);
  columns.get("reward")?.fill(value.reward, row, row + 1);
  columns.get("truncated")?.fill(value.truncated ? 1 : 0, row, row + 1);
}

/** One column of such blocks, as if the log had no other. */
function onlyColumn(blocks: readonly RowsToEncode[], name: string): RowsToEncode[] {
  return blocks.map((block) => {
    const columns = block.layout.columns.filter((column) => column.name === name);
    return { ...block, layout: { ...block.layout, columns } };
  });
}

/** The bytes of every column of a block, in one piece of memory. */
function plainBytes({ layout, memory, from, to }: RowsToEncode): Uint8Array {
  return Buffer.concat(layout.columns.map((column) => columnBytes(layout, column, memory, from, to)));
}

/** As the encoder's thread does: what it made is gone when it is posted, and no garbage that V8 looks for again and again. */
function handOn(bytes: Uint8Array): number {
  const { length } = bytes;
  freeMemory(bytes.buffer);
  return length;
}

async function measure({ name, sizeTarget, blocks }: Kind, { quick, progress }: Context): Promise<Row[]> {
  const plain = blocks.map(plainBytes);
  const target = new Uint8Array(Math.max(...plain.map(({ length }) => length)));
  const sizes = { own: 0, gzip: 0, zstd: 0 };
  const sum = (lengths: readonly number[]): number => lengths.reduce((total, length) => total + length, 0);
  const tasks = {
    own: () => {
      sizes.own = sum(blocks.flatMap((block) => [...encodeItem(block)].map(({ bytes }) => handOn(bytes))));
    },
    gzip: () => {
      sizes.gzip = sum(plain.map((bytes) => handOn(gzipSync(bytes, { level: 6 }))));
    },
    zstd: () => {
      sizes.zstd = sum(plain.map((bytes) => handOn(compressZstd(bytes, 1))));
    },
    copy: () => {
      for (const bytes of plain) target.set(bytes);
    },
  };
  progress("warming up");
  await timeInTurns(tasks, 1);
  progress("measuring");
  const times = await timeInTurns(tasks, quick ? 3 : 7);
  const bytes = sum(plain.map(({ length }) => length));
  const speed = (of: keyof typeof tasks): Figure => figure(speeds(bytes, times[of]), "MB/s");
  const faster = (of: keyof typeof tasks): Figure => ratios(times[of], times.own);
  const size = (value: number): Figure => figure([value / 1e6], "MB");
  const isSmaller = sizes.own / sizes.gzip;
  const own = speed("own");
  return [
    {
      quantity: `speed, ${name}`,
      varve: own,
      control: { ...speed("gzip"), name: "gzip-6" },
      ratio: faster("gzip"),
      target: sizeTarget === null ? undefined : atLeast(faster("gzip").median, 12, "12 ×"),
    },
    {
      quantity: `size of ${(bytes / 1e6).toFixed(1)} MB, ${name}`,
      varve: size(sizes.own),
      control: { ...size(sizes.gzip), name: "gzip-6" },
      ratio: figure([isSmaller], "×"),
      target: sizeTarget === null ? undefined : atMost(isSmaller, sizeTarget, `${sizeTarget} ×`),
    },
    {
      quantity: `speed, ${name}; the limit, one core of zstd-1 alone (${(sizes.zstd / 1e6).toFixed(2)} MB)`,
      varve: own,
      control: { ...speed("zstd"), name: "zstd-1" },
      ratio: faster("zstd"),
    },
    {
      quantity: `speed, ${name}; the limit, a plain copy`,
      varve: own,
      control: { ...speed("copy"), name: "copy" },
      ratio: faster("copy"),
    },
  ];
}

/** @param make - the blocks, of so many */
function encodeCase(name: string, sizeTarget: number | null, make: (blocks: number) => readonly RowsToEncode[]): Case {
  return {
    name,
    measure: (context) => measure({ name, sizeTarget, blocks: make(context.quick ? 1 : 4) }, context),
  };
}

export const encode: Bench = {
  name: "encode",
  about: "the saver's own encoding by kind of column, one thread, against gzip-6 of the same bytes",
  cases: [
    encodeCase("pendulum, all columns", 0.75, pendulumBlocks),
    encodeCase("pendulum, observations f32", 0.75, (blocks) => onlyColumn(pendulumBlocks(blocks), "observation")),
    encodeCase("market frames 108 × 9 f32", 0.75, (blocks) =>
      frameBlocks(framesLayout({ dtype: "float32", shape: [504, 108, 9] }), blocks, marketFrames),
    ),
    encodeCase("market windows 504 × 108 × 9 f32, stored whole", 0.75, (blocks) =>
      frameBlocks(wholeLayout([504, 108, 9]), blocks, slidingWindows),
    ),
    encodeCase("frames 84 × 84 u8", null, (blocks) =>
      frameBlocks(framesLayout({ dtype: "uint8", shape: [4, 84, 84] }), blocks, gameFrames),
    ),
    encodeCase("noise f32", 0.92, (blocks) =>
      frameBlocks(framesLayout({ dtype: "float32", shape: [4, 1024] }), blocks, (frames) => {
        const random = noise(5);
        return Float32Array.from({ length: frames * 1024 }, () => random() - 0.5);
      }),
    ),
  ],
};
