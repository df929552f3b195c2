import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Checkpointer, type Save, type SaveResult } from "../src/index.ts";
import { atMost, type Case, type Context, type Row } from "./support/bench.ts";
import { type Figure, figure, type Unit } from "./support/figure.ts";
import { createNewWindows, createStacks, type Filler } from "./support/fillers.ts";
import { PeakMemory } from "./support/memory.ts";

/*
 * The run of original.ts in two other forms: without frames that observations share, and with stacks of screens.
 */

const SAVES = 5;
/** A trainer yields between episodes: so often in a run. */
const YIELDS = 1000;

interface Measured {
  readonly saves: readonly Save[];
  readonly results: readonly SaveResult[];
  readonly nothingNew: SaveResult;
  readonly extraBytes: number;
  readonly residentBytes: number;
  readonly logicalBytes: number;
}

async function fillAndSave({ buffer, add }: Filler, { scratch, progress }: Context): Promise<Measured> {
  const checkpointer = await Checkpointer.open({ store: join(scratch, "run"), onBacklog: "queue" });
  const saves: Save[] = [];
  const peak = new PeakMemory();
  for (let part = 1; part <= SAVES; part++) {
    const until = Math.round((part * buffer.capacity) / SAVES);
    const chunk = Math.ceil(buffer.capacity / YIELDS);
    while (buffer.size < until) {
      add(Math.min(chunk, until - buffer.size));
      peak.sample();
      await new Promise(setImmediate);
    }
    saves.push(checkpointer.save({ step: buffer.size, buffer }));
    progress(`${buffer.size} transitions, ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB resident`);
  }
  const results = await Promise.all(saves.map(({ durable }) => durable));
  const { extraBytes } = peak;
  const { residentBytes, logicalBytes } = buffer.stats();
  await sleep(500);
  const nothingNew = await checkpointer.save({ step: buffer.size, buffer }).durable;
  await checkpointer.close();
  return { saves, results, nothingNew, extraBytes, residentBytes, logicalBytes };
}

const once = (value: number, unit: Unit): Figure => figure([value], unit);

function rowsOf(label: string, measured: Measured): Row[] {
  const { saves, results, nothingNew, extraBytes, residentBytes, logicalBytes } = measured;
  const last = results.at(-1) as SaveResult;
  const written = results.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const [first, ...later] = saves.map(({ blockedMs }) => blockedMs) as [number, ...number[]];
  const elapsed = results.map(({ elapsedMs }) => elapsedMs);
  const resident = { ...once(residentBytes / 1e6, "MB"), name: "the buffer itself" };
  const fifth = { ...once(last.totalStoredBytes / 1e6, "MB"), name: "the fifth alone" };
  const share = written / last.totalStoredBytes;
  const rows: Row[] = [
    { quantity: "as plain arrays", varve: once(logicalBytes / 1e9, "GB") },
    {
      quantity: "memory at most, more than before the first row",
      varve: once(extraBytes / 1e6, "MB"),
      control: resident,
    },
    { quantity: "stored, fifth save", varve: once(last.totalStoredBytes / 1e6, "MB") },
    {
      quantity: "written by all five saves",
      varve: once(written / 1e6, "MB"),
      control: fifth,
      ratio: once(share, "×"),
      target: atMost(share, 1.1, "1.1 ×"),
    },
    { quantity: "save() on the training thread, the first", varve: once(first, "ms") },
    {
      quantity: "save() on the training thread, the other four",
      varve: figure(later, "ms"),
      target: atMost(Math.max(...later), 1, "1 ms"),
    },
    { quantity: "save() to durable", varve: figure(elapsed, "ms") },
    {
      quantity: "save() to durable, nothing new",
      varve: once(nothingNew.elapsedMs, "ms"),
      target: atMost(nothingNew.elapsedMs, 50, "50 ms"),
    },
    {
      quantity: "a save with nothing new: requests",
      varve: once(nothingNew.requests, ""),
      target: atMost(nothingNew.requests, 5, "5"),
    },
    {
      quantity: "a save with nothing new: written",
      varve: once(nothingNew.storedBytes / 1024, "KiB"),
      target: atMost(nothingNew.storedBytes, 65_536, "64 KiB"),
    },
  ];
  return rows.map((row) => ({ ...row, quantity: `${label}: ${row.quantity}` }));
}

interface Form {
  readonly name: string;
  readonly capacity: number;
  readonly quickCapacity: number;
  readonly create: (capacity: number) => Filler;
  /** What must be free for all of it. */
  readonly needsBytes: number;
}

function formCase({ name, capacity, quickCapacity, create, needsBytes }: Form): Case {
  return {
    name,
    async measure(context) {
      // Part of it rather than a machine that swaps; the table says how much.
      const share = Math.min(1, process.availableMemory() / needsBytes);
      const rows = context.quick ? quickCapacity : Math.floor(capacity * share);
      const filler = create(rows);
      return rowsOf(`${name}, ${rows.toLocaleString("en-US")}`, await fillAndSave(filler, context));
    },
  };
}

export const otherForms: readonly Case[] = [
  formCase({
    name: "windows that share no frame",
    capacity: 700,
    quickCapacity: 20,
    create: createNewWindows,
    needsBytes: 4e9,
  }),
  formCase({
    name: "stacks 4 × 84 × 84 u8",
    capacity: 1_000_000,
    quickCapacity: 10_000,
    create: createStacks,
    needsBytes: 12e9,
  }),
];
