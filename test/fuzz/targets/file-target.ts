import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EndGate } from "../../../src/base/end-gate.ts";
import { crc32c } from "../../../src/base/hash.ts";
import type { Random } from "../../../src/base/random.ts";
import { FileSaver } from "../../../src/checkpoint/saver/file-saver.ts";
import type { SessionOptions } from "../../../src/checkpoint/saver/session-options.ts";
import { SharedStatus } from "../../../src/checkpoint/shared-status.ts";
import { readBufferFile } from "../../../src/checkpoint/single-file.ts";
import { readPackIndex } from "../../../src/codec/pack-index.ts";
import { type FieldsDeclaration, ReplayBuffer, type ReplayBufferOptions } from "../../../src/index.ts";
import { addInline, addWindows, inlineBuffer, windowBuffer } from "../../checkpoint/support.ts";
import { assertRefusal, type FuzzTarget, type Verdict } from "../fuzz.ts";
import { chance, type Json, mutateBytes, mutateJson, mutateJsonText } from "../mutations.ts";
import { scratchFolder } from "../scratch-folder.ts";
import { forgePack } from "./forge-pack.ts";

// oxlint-disable-next-line no-explicit-any -- a buffer of any fields
type AnyReplayBuffer = ReplayBuffer<any>;

interface SoundFile {
  readonly sections: Uint8Array;
  readonly index: string;
  readonly file: Uint8Array;
  readonly rows: string;
}

const context = { signal: new AbortController().signal, onProgress: () => undefined };

/** As `ReplayBuffer.load`, without a thread for each file. */
async function load(path: string): Promise<AnyReplayBuffer> {
  const start = { gate: new EndGate().memory };
  const saver = new FileSaver({ start, status: new SharedStatus() } as unknown as SessionOptions);
  try {
    const ask = <T>(call: Parameters<FileSaver["call"]>[0]): Promise<T> => saver.call(call, context) as Promise<T>;
    return await readBufferFile(path, ask, create);
  } finally {
    await saver.close();
  }
}

/** What a buffer of such a capacity takes by itself is what its owner asked for; no file this small had one. */
function create(options: ReplayBufferOptions<FieldsDeclaration>): AnyReplayBuffer {
  if (options.prioritized !== undefined && options.capacity > 10_000)
    throw new RangeError("so much memory is not there");
  return new ReplayBuffer({ ...options, internal: { blockBytes: 4096 } });
}

function rowsOf(buffer: AnyReplayBuffer): string {
  const { from, to } = buffer.rowRange();
  return JSON.stringify(buffer.readRows(from, to));
}

let files: Promise<readonly SoundFile[]> | null = null;

async function makeFiles(): Promise<readonly SoundFile[]> {
  // Few sections: one block holds all rows.
  const internal = { blockBytes: 64 * 1024 };
  const inline = inlineBuffer({ prioritized: {}, internal });
  addInline(inline, 40);
  const windows = windowBuffer({ internal });
  addWindows(windows, 40);
  const made: SoundFile[] = [];
  for (const buffer of [inline, windows] as const) {
    const path = join(scratchFolder(), "sound.pack");
    const { bytes } = await buffer.save(path);
    const file = readFileSync(path);
    if (file.length !== bytes) throw new Error("another length");
    const index = readPackIndex(file, "sound");
    const end = index.sections.reduce((sum, { storedBytes }) => sum + storedBytes, 8);
    const text = JSON.stringify({ requires: [], ...index });
    made.push({ sections: file.subarray(8, end), index: text, file, rows: rowsOf(await load(path)) });
  }
  return made;
}

function withOtherBytes({ sections, index }: SoundFile, random: Random): Uint8Array {
  const parsed = JSON.parse(index) as { sections: { offset: number; storedBytes: number; crc32c: number }[] };
  const place = random.int(parsed.sections.length);
  const bytes = Buffer.from(sections);
  const { offset, storedBytes } = parsed.sections[place] as { offset: number; storedBytes: number };
  const part = bytes.subarray(offset - 8, offset - 8 + storedBytes);
  for (let change = random.int(3); change >= 0; change--)
    if (part.length > 0) part[random.int(part.length)] = random.int(256);
  Object.assign(parsed.sections[place] as object, { crc32c: crc32c(part) });
  return forgePack(bytes, Buffer.from(JSON.stringify(parsed)));
}

function hostile(sound: SoundFile, random: Random): Uint8Array {
  const kind = random.int(20);
  if (kind < 11) {
    const tree = JSON.parse(sound.index) as { manifest: { [key: string]: Json } };
    // Where most of what a file says about itself is said.
    const holder = chance(random, 0.7) ? (tree.manifest["buffers"] as Json) : (tree as unknown as Json);
    for (let change = random.int(2); change >= 0; change--) mutateJson(holder, random);
    return forgePack(sound.sections, Buffer.from(JSON.stringify(tree)));
  }
  if (kind < 14) return forgePack(sound.sections, Buffer.from(mutateJsonText(sound.index, random)));
  return kind < 19 ? withOtherBytes(sound, random) : mutateBytes(sound.file, random);
}

async function judge(path: string, bytes: Uint8Array, sound: SoundFile): Promise<Verdict> {
  const buffer = await load(path);
  const { size, capacity } = buffer;
  if (size > capacity) throw new Error(`${size} transitions in a buffer of ${capacity}`);
  const rows = rowsOf(buffer);
  if (Buffer.compare(bytes, sound.file) === 0 && rows !== sound.rows) throw new Error("other rows than were saved");
  if (size > 0) buffer.sample(4);
  return "accepted";
}

/** Of whatever was read, an error names the file; of what it says about its buffer, the setting that is wrong. */
const CODES = ["VARVE_CORRUPT", "VARVE_FORMAT_VERSION"];

export const fileTarget: FuzzTarget = {
  name: "single file",
  mostAllocatedBytes: 1024 * 1024,
  async attempt(random, input) {
    files ??= makeFiles();
    const all = await files;
    const sound = all[random.int(all.length)] as SoundFile;
    const bytes = hostile(sound, random);
    input(Buffer.from(bytes));
    const path = join(scratchFolder(), "hostile.pack");
    writeFileSync(path, bytes);
    try {
      return await judge(path, bytes, sound);
    } catch (error) {
      return assertRefusal(error, { codes: CODES, names: "hostile.pack" });
    }
  },
};
