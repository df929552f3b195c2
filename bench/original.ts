import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Checkpointer, ReplayBuffer, type Save, type SaveResult } from "../src/index.ts";
import { otherForms } from "./other-forms.ts";
import { atMost, type Bench, type Context, type Row } from "./support/bench.ts";
import { market, marketFields, marketTable, noise, SlidingWindows } from "./support/data.ts";
import { DenseRing } from "./support/dense-ring.ts";
import { figure, latencies, ratios, type Unit } from "./support/figure.ts";
import { PeakMemory } from "./support/memory.ts";

/*
 * The run that Varve was written for, once: 50,000 transitions of 504 × 108 × 9 f32 with random actions of 108 × 2,
 * episodes of 145 days that start anywhere in 3,000 days, and five saves on the way.
 */

const ACTION = 216;
const SAVES = 5;
const COMPARED_ROWS = 2000;

class OriginalRun {
  readonly startRssBytes: number;
  readonly buffer: ReplayBuffer<typeof marketFields>;
  readonly windows = new SlidingWindows(marketTable(), market.frames, market.frameLength, market.episode, 11);
  readonly action = new Float32Array(ACTION);
  readonly #random = noise(37);

  constructor(capacity: number) {
    this.startRssBytes = process.memoryUsage.rss();
    this.buffer = new ReplayBuffer({ capacity, fields: marketFields });
  }

  /** Moves the environment on and draws an action; returns whether the episode ends with this transition. */
  advance(): boolean {
    for (let i = 0; i < ACTION; i++) this.action[i] = this.#random();
    return this.windows.advance();
  }

  /** Adds the transition; returns how long that took, in ms. */
  add(terminated: boolean): number {
    const { buffer, action, windows } = this;
    const { observation, nextObservation } = windows;
    const startedMs = performance.now();
    buffer.add({ observation, action, reward: action[0] as number, nextObservation, terminated, truncated: false });
    return performance.now() - startedMs;
  }
}

interface Measured {
  readonly saves: readonly Save[];
  readonly results: readonly SaveResult[];
  readonly addMs: readonly number[];
  readonly uniqueFrames: number;
  readonly logicalBytes: number;
  readonly residentBytes: number;
  /** Node, the library, the environment's prices and two windows, before there is a buffer. */
  readonly startRssBytes: number;
  readonly peakRssBytes: number;
  readonly nothingNew: SaveResult;
  readonly blockedMs: number;
}

async function trainAndSave(run: OriginalRun, capacity: number, { scratch, progress }: Context): Promise<Measured> {
  const checkpointer = await Checkpointer.open({ store: join(scratch, "run"), onBacklog: "queue" });
  const { buffer } = run;
  const saves: Save[] = [];
  const addMs: number[] = [];
  const peak = new PeakMemory();
  for (let row = 1; row <= capacity; row++) {
    const ended = run.advance();
    addMs.push(run.add(ended));
    if (row % (capacity / SAVES) === 0) {
      saves.push(checkpointer.save({ step: row, buffer }));
      progress(`${row} transitions, ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB resident`);
    }
    // A trainer yields between episodes.
    if (ended) await new Promise(setImmediate);
    if (row % 100 === 0) peak.sample();
  }
  const results = await Promise.all(saves.map(({ durable }) => durable));
  const peakRssBytes = peak.peakBytes;
  const { uniqueFrames, logicalBytes, residentBytes } = buffer.stats();
  await sleep(500);
  const nothingNew = await checkpointer.save({ step: capacity, buffer }).durable;
  const { blockedMs } = checkpointer.status();
  await checkpointer.close();
  const { startRssBytes } = run;
  const counted = { uniqueFrames, logicalBytes, residentBytes, startRssBytes, peakRssBytes };
  return { saves, results, addMs, ...counted, nothingNew, blockedMs };
}

/** After everything else was measured: the dense ring takes memory of its own. */
function compareAdd(run: OriginalRun, rounds: number): { readonly own: number[]; readonly plain: number[] } {
  const { windows, action } = run;
  const ring = new DenseRing<Float32Array>(
    (size) => new Float32Array(size).fill(1),
    16,
    windows.observation.length,
    ACTION,
  );
  const copyMs = (): number => {
    const startedMs = performance.now();
    ring.add(windows.observation, action, 1, windows.nextObservation, false, false);
    return performance.now() - startedMs;
  };
  const times = { own: [] as number[], plain: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    let [own, plain] = [0, 0];
    for (let i = 0; i < COMPARED_ROWS; i++) {
      const ended = run.advance();
      if (i % 2 === 0) plain += copyMs();
      own += run.add(ended);
      if (i % 2 === 1) plain += copyMs();
    }
    times.own.push((1000 * own) / COMPARED_ROWS);
    times.plain.push((1000 * plain) / COMPARED_ROWS);
  }
  return times;
}

const once = (value: number, unit: Unit) => figure([value], unit);

function memoryAndStoreRows({
  results,
  logicalBytes,
  residentBytes,
  startRssBytes,
  peakRssBytes,
  uniqueFrames,
  nothingNew,
}: Measured): Row[] {
  const last = results.at(-1) as SaveResult;
  const written = results.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const [storedMB, writtenMB, rssMB] = [last.totalStoredBytes / 1e6, written / 1e6, peakRssBytes / 1e6];
  return [
    { quantity: "observations, actions and all, as plain arrays", varve: once(logicalBytes / 1e9, "GB") },
    { quantity: "different frames", varve: once(uniqueFrames, "") },
    {
      quantity: "RSS before the buffer (Node, library, the environment's data)",
      varve: once(startRssBytes / 1e6, "MB"),
    },
    {
      quantity: "RSS at most",
      varve: once(rssMB, "MB"),
      control: { ...once(residentBytes / 1e6, "MB"), name: "the buffer itself" },
      target: atMost(rssMB, 400, "400 MB"),
    },
    { quantity: "stored, fifth save", varve: once(storedMB, "MB"), target: atMost(storedMB, 50, "50 MB") },
    {
      quantity: "written by all five saves",
      varve: once(writtenMB, "MB"),
      control: { ...once(storedMB, "MB"), name: "the fifth alone" },
      ratio: once(writtenMB / storedMB, "×"),
      target: atMost(writtenMB / storedMB, 1.1, "1.1 ×"),
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
}

function timeRows({ saves, results, addMs, nothingNew, blockedMs }: Measured): Row[] {
  const { p50, p99, max } = latencies(addMs);
  const [first, ...later] = saves.map((save) => save.blockedMs) as [number, ...number[]];
  const elapsed = figure(
    results.map(({ elapsedMs }) => elapsedMs),
    "ms",
  );
  return [
    { quantity: "save() on the training thread, the first", varve: once(first, "ms") },
    {
      quantity: "save() on the training thread, the other four",
      varve: figure(later, "ms"),
      target: atMost(Math.max(...later), 1, "1 ms"),
    },
    { quantity: "training blocked by saving in all", varve: once(blockedMs, "ms") },
    { quantity: "save() to durable", varve: elapsed },
    {
      quantity: "save() to durable, nothing new",
      varve: once(nothingNew.elapsedMs, "ms"),
      target: atMost(nothingNew.elapsedMs, 50, "50 ms"),
    },
    { quantity: "add() p50, while filling", varve: once(1000 * p50, "µs") },
    { quantity: "add() p99, while filling", varve: once(1000 * p99, "µs") },
    { quantity: "add() at most, while filling", varve: once(max, "ms") },
  ];
}

async function measure(context: Context): Promise<Row[]> {
  const capacity = context.quick ? 2000 : 50_000;
  const run = new OriginalRun(capacity);
  const measured = await trainAndSave(run, capacity, context);
  context.progress("add() against a plain copy, with the buffer full");
  const { own, plain } = compareAdd(run, context.quick ? 1 : 3);
  const ratio = ratios(own, plain);
  const compared: Row = {
    quantity: "add() on average, with the buffer full",
    varve: figure(own, "µs"),
    control: { ...figure(plain, "µs"), name: "plain copy" },
    ratio,
    target: atMost(ratio.median, 0.8, "0.8 ×"),
  };
  return [...memoryAndStoreRows(measured), ...timeRows(measured), compared];
}

export const original: Bench = {
  name: "original",
  about: "the original run and two other forms of it, each once, with five saves",
  cases: [{ name: "the whole run", measure }, ...otherForms],
};
