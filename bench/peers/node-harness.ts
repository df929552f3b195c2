import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PeakMemory, settle } from "../support/memory.ts";
import type { Measured, Restored, SaveFigures } from "./figures.ts";
import type { Meta } from "./shared-data.ts";

/*
 * What harness.py does, for programs in Node: fills a buffer, saves it, adds 1 % new rows the moment that save()
 * returns, saves again; and, in another process, restores and checks both saves.
 */

export type Values = Float32Array | Uint8Array;
export type Rows = Readonly<Record<string, Values>>;

export interface NodePeer {
  readonly version: string;
  /** Whether it calls fsync before it says that a save is complete. */
  readonly syncs: boolean;
  add(rows: Rows, count: number): void;
  /** Resolves when the 1st or 2nd checkpoint, under `work/saved`, is complete. */
  save(number: number): Promise<void>;
  load(number: number): Promise<void>;
  /** Rows [from, to) of the buffer, the oldest first, after load(). */
  rows(from: number, to: number): Rows;
  close(): Promise<void>;
}

const CHUNK_BYTES = 64 * 2 ** 20;

/** The rows that shared-data.ts wrote. */
export class RowFiles {
  readonly meta: Meta;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.meta = JSON.parse(readFileSync(join(folder, "meta.json"), "utf8")) as Meta;
  }

  read(from: number, to: number): Rows {
    return Object.fromEntries(
      Object.entries(this.meta.fields).map(([name, { dtype, shape }]) => {
        const length = shape.reduce((product, size) => product * size, 1);
        const values =
          dtype === "uint8" ? new Uint8Array((to - from) * length) : new Float32Array((to - from) * length);
        const handle = openSync(join(this.#folder, `${name}.raw`), "r");
        const read = readSync(handle, values, 0, values.byteLength, from * length * values.BYTES_PER_ELEMENT);
        closeSync(handle);
        if (read !== values.byteLength) throw new Error(`${name}.raw has no rows ${from} to ${to}`);
        return [name, values];
      }),
    );
  }

  /** Bounds of chunks of some 64 MiB. */
  *chunks(from: number, to: number): Generator<readonly [number, number]> {
    const bytes = Object.values(this.meta.fields).reduce(
      (sum, { dtype, shape }) => sum + shape.reduce((product, size) => product * size, dtype === "uint8" ? 1 : 4),
      0,
    );
    const step = Math.max(1, Math.floor(CHUNK_BYTES / bytes));
    for (let at = from; at < to; at += step) yield [at, Math.min(to, at + step)];
  }
}

function listing(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = statSync(path);
      return [path, `${size} ${mtimeMs}`];
    }),
  );
}

function syncTree(folder: string): void {
  const below = readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const path of [folder, ...below.map((entry) => join(entry.parentPath, entry.name))]) {
    const handle = openSync(path, "r");
    fsyncSync(handle);
    closeSync(handle);
  }
}

async function saveOnce(peer: NodePeer, number: number, saved: string, meanwhile: () => void): Promise<SaveFigures> {
  await settle();
  const before = listing(saved);
  const memory = new PeakMemory();
  const startedMs = performance.now();
  const complete = peer.save(number);
  const returnedMs = performance.now();
  meanwhile();
  // What the library does on this thread afterwards blocks training as much as the call itself.
  const loop = performance.eventLoopUtilization();
  await complete;
  const completeMs = performance.now();
  const { active } = performance.eventLoopUtilization(loop);
  syncTree(saved);
  const durableMs = peer.syncs ? completeMs : performance.now();
  const changed = [...listing(saved)].filter(([path, stat]) => before.get(path) !== stat);
  return {
    blockedMs: returnedMs - startedMs + active,
    completeMs: completeMs - startedMs,
    durableMs: durableMs - startedMs,
    extraRssBytes: Math.max(0, memory.extraBytes),
    writtenBytes: changed.reduce((sum, [path]) => sum + statSync(path).size, 0),
  };
}

async function measure(create: Create, files: RowFiles, work: string): Promise<Measured> {
  const saved = join(work, "saved");
  mkdirSync(saved);
  const { capacity, added } = files.meta;
  const peer = await create(files.meta, work);
  for (const [from, to] of files.chunks(0, capacity)) peer.add(files.read(from, to), to - from);
  const rows = files.read(capacity, capacity + added);
  const first = await saveOnce(peer, 1, saved, () => peer.add(rows, added));
  const second = await saveOnce(peer, 2, saved, () => undefined);
  await peer.close();
  return { version: peer.version, syncs: peer.syncs, first, second };
}

/** How many restored rows are not those of the files from `start` on. */
export function differentRows(peer: Pick<NodePeer, "rows">, files: RowFiles, start: number): number {
  let different = 0;
  for (const [from, to] of files.chunks(0, files.meta.capacity)) {
    const [wanted, got] = [files.read(start + from, start + to), peer.rows(from, to)];
    const pairs = Object.entries(wanted).map(
      ([name, values]) => [bytesOf(name, values, to - from), bytesOf(name, got[name], to - from)] as const,
    );
    for (let row = 0; row < to - from; row++) {
      if (!pairs.every(([left, right]) => left(row).equals(right(row)))) different += 1;
    }
  }
  return different;
}

/** Hands out a field's bytes of one row after another. */
function bytesOf(name: string, values: Values | undefined, rows: number): (row: number) => Buffer {
  if (values === undefined) throw new Error(`The field ${name} did not come back`);
  const size = values.byteLength / rows;
  const all = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return (row) => all.subarray(row * size, (row + 1) * size);
}

async function restore(create: Create, files: RowFiles, work: string): Promise<Restored> {
  const { capacity, added } = files.meta;
  const second = await create(files.meta, work);
  const startedMs = performance.now();
  await second.load(2);
  const restoreMs = performance.now() - startedMs;
  const wrong = differentRows(second, files, added);
  if (wrong > 0) throw new Error(`${wrong} of ${capacity} rows of the second save came back different`);
  await second.close();
  const first = await create(files.meta, work);
  await first.load(1);
  const tornRows = differentRows(first, files, 0);
  await first.close();
  return { restoreMs, tornRows };
}

export type Create = (meta: Meta, work: string) => Promise<NodePeer>;

/** The command line of a program's process: `measure|restore DATA WORK RESULT`. */
export async function runPeer(create: Create): Promise<void> {
  const [mode, data, work, result] = process.argv.slice(2) as [string, string, string, string];
  const files = new RowFiles(data);
  const measured = mode === "measure" ? await measure(create, files, work) : await restore(create, files, work);
  writeFileSync(result, JSON.stringify(measured));
  process.exit(0);
}
