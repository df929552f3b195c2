import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Checkpointer, type SaveResult } from "../src/index.ts";
import { atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { figure, type Latencies, latencies, ratios } from "./support/figure.ts";
import { createRows, type Filler } from "./support/fillers.ts";
import { writeDurablyMs } from "./support/plain-file.ts";

/*
 * How long save() holds training up. Buffers of the same kind, up to four hundred times larger, are saved in turns in
 * the same process; between saves a few rows come in and, where prioritised, priorities change, as in training, and
 * batches are drawn for 20 ms: by then the threads of the save before, which was another buffer's, are done, its
 * retention too. No trainer has four checkpointers of which one tidies up while the next one saves.
 *
 * Two controls, timed before that training: a plain copy of the state, and the least that any background save must do,
 * one message to an idle thread. On a busy machine the awakened thread may take the core; that shows in both. The limit
 * of what is durable is timed after every save: as many bytes in one plain file, synced.
 */

/** Of the buffers, as plain arrays. */
const FEW_SIZES: readonly number[] = [10e6, 1e9];
const ALL_SIZES: readonly number[] = [10e6, 100e6, 1e9, 4e9];
const ROWS_BETWEEN_SAVES = 64;
const TRAINING_MS = 20;
const STATE_BYTES = 4 * 2 ** 20;
/** As many arrays as a population of 16 has. */
const STATE_ARRAYS = 16;

interface Saved {
  readonly blockedMs: number;
  readonly result: SaveResult;
}

/** A buffer, filled, with a run of its own. */
class Subject {
  readonly #filler: Filler;
  readonly #checkpointer: Checkpointer;
  #step = 0;

  private constructor(filler: Filler, checkpointer: Checkpointer) {
    this.#filler = filler;
    this.#checkpointer = checkpointer;
  }

  static async create(sizeBytes: number, isPrioritized: boolean, store: string): Promise<Subject> {
    const filler = createRows(sizeBytes, isPrioritized);
    filler.add(filler.buffer.capacity);
    return new Subject(filler, await Checkpointer.open({ store, keepLast: 3 }));
  }

  /** What a while of training does to the buffer. */
  train(isPrioritized: boolean): void {
    const { buffer, add } = this.#filler;
    const endMs = performance.now() + TRAINING_MS;
    add(ROWS_BETWEEN_SAVES);
    const out = buffer.sample(256);
    if (isPrioritized) buffer.updatePriorities(out.indices, out.indices);
    while (performance.now() < endMs) buffer.sample(256, { out });
  }

  /** Times one save on this thread, and waits until it is durable. */
  async save(state: unknown): Promise<Saved> {
    const { buffer } = this.#filler;
    const startedMs = performance.now();
    const save = this.#checkpointer.save({ step: this.#step++, buffer, state });
    const blockedMs = performance.now() - startedMs;
    return { blockedMs, result: await save.durable };
  }

  async close(): Promise<void> {
    await this.#checkpointer.close();
  }
}

interface State {
  readonly arrays: readonly Float32Array[];
  /** Times a plain copy of all arrays into memory that was used before. */
  copyMs(): number;
  change(): void;
}

function makeState(sizeBytes: number): State {
  const length = sizeBytes / 4 / STATE_ARRAYS;
  const arrays = length === 0 ? [] : Array.from({ length: STATE_ARRAYS }, (_, i) => new Float32Array(length).fill(i));
  const target = new Float32Array(length * arrays.length).fill(1);
  return {
    arrays,
    copyMs() {
      const startedMs = performance.now();
      for (const [i, array] of arrays.entries()) target.set(array, i * length);
      return performance.now() - startedMs;
    },
    change() {
      for (const array of arrays) array[0] = (array[0] as number) + 1;
    },
  };
}

/** Times one small message to a thread that has nothing to do. */
class MessageControl {
  readonly #thread = new Worker("require('node:worker_threads').parentPort.on('message', () => undefined)", {
    eval: true,
  });

  async start(): Promise<void> {
    await once(this.#thread, "online");
  }

  postMs(): number {
    const startedMs = performance.now();
    this.#thread.postMessage({ type: "save", sequence: 1, step: 1, bounds: [{ tail: 0, head: 1 }] });
    return performance.now() - startedMs;
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}

/** Times of one round, or what became of them. */
interface Times<T> {
  readonly copy: T;
  readonly message: T;
  readonly plainFile: T;
  /** By subject. */
  readonly blocked: readonly T[];
  readonly durable: readonly T[];
}

interface Measurement {
  readonly subjects: readonly Subject[];
  readonly isPrioritized: boolean;
  readonly state: State;
  readonly message: MessageControl;
  readonly folder: string;
}

async function measureRound(
  { subjects, isPrioritized, state, message, folder }: Measurement,
  saves: number,
  round: number,
): Promise<Times<Latencies>> {
  const each = () => subjects.map((): number[] => []);
  const times = { copy: [] as number[], message: [] as number[], plainFile: [] as number[] };
  const [blocked, durable] = [each(), each()];
  for (let i = 0; i < saves; i++) {
    state.change();
    for (const [at, subject] of subjects.entries()) {
      times.copy.push(state.copyMs());
      times.message.push(message.postMs());
      subject.train(isPrioritized);
      const { blockedMs, result } = await subject.save({ arrays: state.arrays, round, i });
      blocked[at]?.push(blockedMs);
      durable[at]?.push(result.elapsedMs);
      times.plainFile.push(writeDurablyMs(folder, result.storedBytes));
    }
  }
  return {
    copy: latencies(times.copy),
    message: latencies(times.message),
    plainFile: latencies(times.plainFile),
    blocked: blocked.map(latencies),
    durable: durable.map(latencies),
  };
}

type Amount = readonly [rounds: number, saves: number];

const amount = (quick: boolean): Amount => (quick ? [3, 3] : [5, 100]);

async function measure(measurement: Measurement, [rounds, saves]: Amount): Promise<Times<Latencies>[]> {
  const measured: Times<Latencies>[] = [];
  for (let round = 0; round < rounds; round++) measured.push(await measureRound(measurement, saves, round));
  return measured;
}

function sizeLabel(bytes: number): string {
  return bytes < 1e9 ? `${bytes / 1e6} MB` : `${bytes / 1e9} GB`;
}

function blockedRows(
  label: string,
  sizes: readonly number[],
  measured: readonly Times<Latencies>[],
  hasState: boolean,
): Row[] {
  const [control, name] = hasState ? (["copy", "copy of the state"] as const) : (["message", "one message"] as const);
  const of = (at: number, key: keyof Latencies): number[] => measured.map((one) => (one.blocked[at] as Latencies)[key]);
  const controls = (key: keyof Latencies): number[] => measured.map((one) => one[control][key]);
  const rows: Row[] = [];
  for (const [at, bytes] of sizes.entries()) {
    for (const key of ["p50", "p99", "max"] as const) {
      const varve = figure(of(at, key), "ms");
      rows.push({
        quantity: `save() ${key}, ${sizeLabel(bytes)}, ${label}`,
        varve,
        control: { ...figure(controls(key), "ms"), name },
        ratio: ratios(of(at, key), controls(key)),
        target: key === "p99" ? atMost(varve.median, 1, "1 ms") : undefined,
      });
    }
  }
  const smallest = { ...figure(of(0, "p99"), "ms"), name: sizeLabel(sizes[0] as number) };
  for (const [at, bytes] of sizes.entries()) {
    if (bytes < 1e9) continue;
    const ratio = ratios(of(at, "p99"), of(0, "p99"));
    rows.push({
      quantity: `save() p99, buffer ${bytes / (sizes[0] as number)} × larger, ${label}`,
      varve: figure(of(at, "p99"), "ms"),
      control: smallest,
      ratio,
      target: atMost(ratio.median, 1.5, "1.5 ×"),
    });
  }
  return rows;
}

function durableRows(label: string, sizes: readonly number[], measured: readonly Times<Latencies>[]): Row[] {
  const plain = measured.map(({ plainFile }) => plainFile.p50);
  return sizes.map((bytes, at): Row => {
    const own = measured.map(({ durable }) => (durable[at] as Latencies).p50);
    const varve = figure(own, "ms");
    return {
      quantity: `save() to durable p50, ${sizeLabel(bytes)}, ${label}`,
      varve,
      control: { ...figure(plain, "ms"), name: "write + fsync of as much" },
      ratio: ratios(own, plain),
      target: atMost(varve.median, 50, "50 ms"),
    };
  });
}

/** Half a byte more for every byte that a buffer holds: for what is encoded and for the page cache. */
const ROOM = 1.5;

/** Leaves out what this machine has no memory for: its rows are then missing. */
function sizesThatFit(sizes: readonly number[], { quick, progress }: Context): readonly number[] {
  let freeBytes = process.availableMemory();
  return sizes.filter((bytes) => {
    const needed = ROOM * sizeOf(bytes, quick);
    const fits = needed <= freeBytes;
    if (fits) freeBytes -= needed;
    else progress(`left out: a buffer of ${sizeLabel(bytes)}, for which there is no memory`);
    return fits;
  });
}

/** To show that it runs, little of the larger ones is enough. */
function sizeOf(bytes: number, quick: boolean): number {
  return quick ? bytes / 40 : bytes;
}

async function createSubjects(
  sizes: readonly number[],
  isPrioritized: boolean,
  { quick, scratch, progress }: Context,
): Promise<readonly Subject[]> {
  const subjects: Subject[] = [];
  for (const bytes of sizes) {
    progress(`filling a buffer of ${sizeLabel(sizeOf(bytes, quick))}`);
    const subject = await Subject.create(sizeOf(bytes, quick), isPrioritized, join(scratch, String(bytes)));
    await subject.save({});
    subjects.push(subject);
  }
  return subjects;
}

function latencyCase(name: string, isPrioritized: boolean, wanted: readonly number[]): Case {
  return {
    name,
    async measure(context) {
      const sizes = sizesThatFit(wanted, context);
      const subjects = await createSubjects(sizes, isPrioritized, context);
      const message = new MessageControl();
      await message.start();
      const rows: Row[] = [];
      for (const stateBytes of [0, STATE_BYTES]) {
        const label = `${name}, ${stateBytes === 0 ? "no" : "4 MB of"} state`;
        context.progress(label);
        const state = makeState(stateBytes);
        const measurement = { subjects, isPrioritized, state, message, folder: context.scratch };
        // The first saves compile what they run, and make the memory that later ones use again.
        await measure(measurement, context.quick ? [1, 3] : [3, 20]);
        const measured = await measure(measurement, amount(context.quick));
        rows.push(...blockedRows(label, sizes, measured, stateBytes > 0), ...durableRows(label, sizes, measured));
      }
      for (const subject of subjects) await subject.close();
      await message.close();
      return rows;
    },
  };
}

/** The same, with one process that never rests on every core. */
const busyCase: Case = {
  name: "busy cores",
  async measure(context) {
    const sizes = sizesThatFit(FEW_SIZES, context);
    const subjects = await createSubjects(sizes, false, context);
    const message = new MessageControl();
    await message.start();
    const burners: ChildProcess[] = cpus().map(() => spawn(process.execPath, ["-e", "for(;;);"], { stdio: "ignore" }));
    try {
      const state = makeState(0);
      const measurement = { subjects, isPrioritized: false, state, message, folder: context.scratch };
      return durableRows("with every core busy", sizes, await measure(measurement, amount(context.quick)));
    } finally {
      for (const burner of burners) burner.kill("SIGKILL");
      for (const subject of subjects) await subject.close();
      await message.close();
    }
  },
};

export const save: Bench = {
  name: "save",
  about: "how long save() holds training up, and how soon little news is durable",
  cases: [latencyCase("uniform", false, ALL_SIZES), latencyCase("prioritised", true, FEW_SIZES), busyCase],
};
