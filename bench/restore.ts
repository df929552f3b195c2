import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { gunzipSync, gzipSync } from "node:zlib";
import { readPackIndex } from "../src/codec/pack-index.ts";
import { Checkpointer } from "../src/index.ts";
import { atLeast, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { figure, ratios } from "./support/figure.ts";
import { createRows, createWindows, type Filler } from "./support/fillers.ts";
import { settle } from "./support/memory.ts";
import { NewMemory } from "./support/new-memory.ts";
import { speeds, timeInTurns } from "./support/turns.ts";
import { type Piece, ZstdDecoders } from "./support/zstd-decoders.ts";

/*
 * From open() to a buffer that can be sampled. Two controls: what one writes in JavaScript for pickle.load() of a
 * gzip file, per logical byte; and the limit, the slower of reading and hashing the packs and of decoding the same
 * sections with zstd on every core. Files are in the page cache, for all of them. Neither fills the memory of a buffer:
 * what that takes by itself is told beside them, since the kernel and what it runs on give new pages one by one.
 */

/** Plain arrays that the gzip file holds: little, so that the bench ends. */
const pickledBytes = (quick: boolean): number => (quick ? 8e6 : 64e6);

async function saveAndClose({ buffer }: Filler, store: string): Promise<void> {
  const checkpointer = await Checkpointer.open({ store });
  await checkpointer.save({ step: 1, buffer }).durable;
  await checkpointer.close();
}

/** An array of transitions, serialised and compressed as the original design does it with pickle and gzip. */
function pickle({ buffer }: Filler, sizeBytes: number): { readonly bytes: Uint8Array; readonly logicalBytes: number } {
  const { logicalBytes } = buffer.stats();
  const count = Math.max(1, Math.round((sizeBytes * buffer.size) / logicalBytes));
  const transitions = Array.from({ length: count }, () => {
    const { observation, action, reward, nextObservation, terminated, truncated } = buffer.sample(1);
    return { observation, action, reward, nextObservation, terminated, truncated };
  });
  return {
    bytes: gzipSync(serialize(transitions), { level: 6 }),
    logicalBytes: (count * logicalBytes) / buffer.size,
  };
}

function hashPacks(folder: string): void {
  for (const name of readdirSync(folder)) {
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest();
  }
}

/** The sections of all packs that zstd has to decode. */
function zstdPieces(folder: string): Piece[] {
  return readdirSync(folder).flatMap((name) => {
    const pack = readFileSync(join(folder, name));
    return readPackIndex(pack, name)
      .sections.filter(({ codecs }) => codecs.some((codec) => codec.name === "zstd"))
      .map(({ offset, storedBytes, rawBytes }) => ({
        bytes: pack.subarray(offset, offset + storedBytes),
        rawBytes,
      }));
  });
}

async function measure(filler: Filler, label: string, context: Context): Promise<Row[]> {
  const { quick, scratch, progress } = context;
  progress("filling and saving");
  filler.add(filler.buffer.capacity);
  const store = join(scratch, "run");
  const packs = join(store, "packs");
  await saveAndClose(filler, store);
  const { logicalBytes, residentBytes } = filler.buffer.stats();
  const pickled = pickle(filler, pickledBytes(quick));
  const decoders = new ZstdDecoders(zstdPieces(packs), cpus().length);
  const memory = new NewMemory(residentBytes, cpus().length);
  const openMs: number[] = [];
  const opened: Checkpointer[] = [];
  const tasks = {
    async own() {
      const startedMs = performance.now();
      const checkpointer = await Checkpointer.open({ store, readOnly: true });
      openMs.push(performance.now() - startedMs);
      opened.push(checkpointer);
      const buffer = filler.createEmpty();
      await checkpointer.restore({ buffer });
      buffer.sample(1);
    },
    pickle: () => deserialize(gunzipSync(pickled.bytes)),
    hash: () => hashPacks(packs),
    decode: () => decoders.decodeAll(),
    fill: () => memory.fillAll(),
  };
  const tidy = async (): Promise<void> => {
    await opened.pop()?.close();
    if (!quick) await settle();
  };
  progress("warming up");
  await timeInTurns(tasks, 1, tidy);
  openMs.length = 0;
  progress("measuring");
  const times = await timeInTurns(tasks, quick ? 3 : 5, tidy);
  await tidy();
  await Promise.all([decoders.close(), memory.close()]);
  const open: Row = { quantity: `of it, open(), ${label}`, varve: figure(openMs, "ms") };
  return [...rowsOf(label, times, { own: logicalBytes, pickle: pickled.logicalBytes }), open];
}

function rowsOf(
  label: string,
  times: Readonly<Record<"own" | "pickle" | "hash" | "decode" | "fill", number[]>>,
  logicalBytes: { readonly own: number; readonly pickle: number },
): Row[] {
  const [own, plain] = [speeds(logicalBytes.own, times.own), speeds(logicalBytes.pickle, times.pickle)];
  const faster = ratios(own, plain);
  const limit = times.hash.map((hashMs, i) => Math.max(hashMs, times.decode[i] as number));
  const reached = ratios(limit, times.own);
  const varve = figure(times.own, "ms");
  return [
    {
      quantity: `logical bytes a second, ${label}`,
      varve: figure(own, "MB/s"),
      control: { ...figure(plain, "MB/s"), name: "gunzip + v8.deserialize" },
      ratio: faster,
      target: atLeast(faster.median, 20, "20 ×"),
    },
    {
      quantity: `from open() to a usable buffer, ${label}; limit by ours`,
      varve,
      control: { ...figure(limit, "ms"), name: "the slower of the two below" },
      ratio: reached,
      target: atLeast(reached.median, 0.7, "0.7 ×"),
    },
    {
      quantity: `the limit, reading and hashing: SHA-256, one thread, ${label}`,
      varve,
      control: { ...figure(times.hash, "ms"), name: "read + SHA-256" },
      ratio: ratios(times.hash, times.own),
      better: "more",
    },
    {
      quantity: `the limit, a zstd decoder on every core, ${label}`,
      varve,
      control: { ...figure(times.decode, "ms"), name: "zstd" },
      ratio: ratios(times.decode, times.own),
      better: "more",
    },
    {
      quantity: `the limit, as many bytes copied into new memory on every core, ${label}`,
      varve,
      control: { ...figure(times.fill, "ms"), name: "plain copies" },
      ratio: ratios(times.fill, times.own),
      better: "more",
    },
  ];
}

function restoreCase(label: string, create: (quick: boolean) => Filler): Case {
  return { name: label, measure: (context) => measure(create(context.quick), label, context) };
}

export const restore: Bench = {
  name: "restore",
  about: "from open() to a usable buffer, against gunzip and deserialise, and against the limit",
  cases: [
    restoreCase("unshared rows, 1 GB", (quick) => createRows(quick ? 10e6 : 1e9)),
    restoreCase("windows 504 × 108 × 9 f32", (quick) => createWindows(quick ? 300 : 20_000)),
  ],
};
