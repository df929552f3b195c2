import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Checkpointer, ReplayBuffer, type SaveResult } from "../src/index.ts";
import { atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { NoiseRows } from "./support/data.ts";
import { figure, type Latencies, latencies, ratios } from "./support/figure.ts";

/*
 * How long save() holds training up. Two buffers of the same kind, one a hundred times larger, are saved in turns in
 * the same process; between saves a few rows come in and, where prioritised, priorities change, as in training.
 *
 * Two controls, timed beside every save: a plain copy of the state, and the least that any background save must do,
 * one message to an idle thread. On a busy machine the awakened thread may take the core; that shows in both.
 */

const OBSERVATION = 48;
const fields = {
  observation: { dtype: "float32", shape: [OBSERVATION] },
  action: { dtype: "float32", shape: [2] },
} as const;
const SMALL_BYTES = 10e6;
const LARGE_BYTES = 1e9;
const ROWS_BETWEEN_SAVES = 64;
const STATE_BYTES = 4 * 2 ** 20;
/** As many arrays as a population of 16 has. */
const STATE_ARRAYS = 16;

interface Saved {
  readonly blockedMs: number;
  readonly result: SaveResult;
}

/** A buffer, filled, with a run of its own. */
class Subject {
  readonly buffer: ReplayBuffer<typeof fields>;
  readonly #checkpointer: Checkpointer;
  readonly #rows = new NoiseRows(OBSERVATION, 3);
  readonly #action = new Float32Array(2);
  #observation = new Float32Array(OBSERVATION);
  #nextObservation = new Float32Array(OBSERVATION);
  #step = 0;

  private constructor(buffer: ReplayBuffer<typeof fields>, checkpointer: Checkpointer) {
    this.buffer = buffer;
    this.#checkpointer = checkpointer;
  }

  static async create(sizeBytes: number, isPrioritized: boolean, store: string): Promise<Subject> {
    const probe = new ReplayBuffer({ capacity: 1, fields });
    const one = new Subject(probe, await Checkpointer.open({ store: "memory://probe" }));
    one.add(1);
    const capacity = Math.round(sizeBytes / probe.stats().logicalBytes);
    await one.close();
    const buffer = new ReplayBuffer({ capacity, fields, prioritized: isPrioritized ? {} : undefined });
    const subject = new Subject(buffer, await Checkpointer.open({ store, keepLast: 3 }));
    subject.add(capacity);
    return subject;
  }

  add(count: number): void {
    for (let i = 0; i < count; i++) {
      [this.#observation, this.#nextObservation] = [this.#nextObservation, this.#observation];
      this.#rows.write(this.#nextObservation);
      const [observation, nextObservation, action] = [this.#observation, this.#nextObservation, this.#action];
      this.buffer.add({ observation, action, reward: i, nextObservation, terminated: false, truncated: false });
    }
  }

  /** What a step of training does to the buffer. */
  train(isPrioritized: boolean): void {
    this.add(ROWS_BETWEEN_SAVES);
    const { indices } = this.buffer.sample(256);
    if (isPrioritized) this.buffer.updatePriorities(indices, indices);
  }

  /** Times one save on this thread, and waits until it is durable. */
  async save(state: unknown): Promise<Saved> {
    const { buffer } = this;
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

const KINDS = ["small", "large", "copy", "message", "durableSmall", "durableLarge"] as const;
type Kind = (typeof KINDS)[number];
type Measured = Readonly<Record<Kind, Latencies[]>>;

interface Measurement {
  readonly subjects: readonly Subject[];
  readonly prioritized: boolean;
  readonly state: State;
  readonly message: MessageControl;
}

function forEachKind<T>(create: () => T): Record<Kind, T> {
  return {
    small: create(),
    large: create(),
    copy: create(),
    message: create(),
    durableSmall: create(),
    durableLarge: create(),
  };
}

async function measure(measurement: Measurement, quick: boolean): Promise<Measured> {
  const { subjects, prioritized, state, message } = measurement;
  const [small, large] = subjects as [Subject, Subject];
  const measured = forEachKind<Latencies[]>(() => []);
  const [rounds, saves] = quick ? [3, 20] : [5, 100];
  for (let round = 0; round < rounds; round++) {
    const times = forEachKind<number[]>(() => []);
    for (let i = 0; i < saves; i++) {
      state.change();
      for (const [subject, blocked, durable] of [
        [small, "small", "durableSmall"],
        [large, "large", "durableLarge"],
      ] as const) {
        subject.train(prioritized);
        times.copy.push(state.copyMs());
        times.message.push(message.postMs());
        const { blockedMs, result } = await subject.save({ arrays: state.arrays, round, i });
        times[blocked].push(blockedMs);
        times[durable].push(result.elapsedMs);
      }
    }
    for (const kind of KINDS) measured[kind].push(latencies(times[kind]));
  }
  return measured;
}

function rowsOf(label: string, measured: Measured, hasState: boolean): Row[] {
  const of = (kind: Kind, key: keyof Latencies): number[] => measured[kind].map((one) => one[key]);
  const [control, name] = hasState ? (["copy", "copy of the state"] as const) : (["message", "one message"] as const);
  const rows: Row[] = [];
  for (const [size, kind] of [
    ["10 MB", "small"],
    ["1 GB", "large"],
  ] as const) {
    for (const key of ["p50", "p99", "max"] as const) {
      const varve = figure(of(kind, key), "ms");
      rows.push({
        quantity: `save() ${key}, ${size}, ${label}`,
        varve,
        control: { ...figure(of(control, key), "ms"), name },
        ratio: ratios(of(kind, key), of(control, key)),
        target: key === "p99" ? atMost(varve.median, 1, "1 ms") : undefined,
      });
    }
  }
  const varve = figure(of("large", "p99"), "ms");
  const ratio = ratios(of("large", "p99"), of("small", "p99"));
  const smaller = { ...figure(of("small", "p99"), "ms"), name: "10 MB" };
  const quantity = `save() p99, buffer 100 × larger, ${label}`;
  rows.push({ quantity, varve, control: smaller, ratio, target: atMost(ratio.median, 1.5, "1.5 ×") });
  rows.push(durableRow(`save() to durable p50, 10 MB, ${label}`, measured.durableSmall));
  rows.push(durableRow(`save() to durable p50, 1 GB, ${label}`, measured.durableLarge));
  return rows;
}

function durableRow(quantity: string, all: readonly Latencies[]): Row {
  const varve = figure(
    all.map(({ p50 }) => p50),
    "ms",
  );
  return { quantity, varve, target: atMost(varve.median, 50, "50 ms") };
}

async function createSubjects(isPrioritized: boolean, context: Context): Promise<readonly Subject[]> {
  const large = context.quick ? LARGE_BYTES / 10 : LARGE_BYTES;
  context.progress(`filling buffers of ${SMALL_BYTES / 1e6} and ${large / 1e6} MB`);
  const subjects = [
    await Subject.create(SMALL_BYTES, isPrioritized, join(context.scratch, "small")),
    await Subject.create(large, isPrioritized, join(context.scratch, "large")),
  ];
  for (const subject of subjects) await subject.save({});
  return subjects;
}

function latencyCase(name: string, prioritized: boolean): Case {
  return {
    name,
    async measure(context) {
      const subjects = await createSubjects(prioritized, context);
      const message = new MessageControl();
      await message.start();
      const rows: Row[] = [];
      for (const stateBytes of [0, STATE_BYTES]) {
        const label = `${name}, ${stateBytes === 0 ? "no" : "4 MB of"} state`;
        context.progress(label);
        const measurement = { subjects, prioritized, state: makeState(stateBytes), message };
        // The first saves compile what they run, and make the memory that later ones use again.
        await measure(measurement, true);
        rows.push(...rowsOf(label, await measure(measurement, context.quick), stateBytes > 0));
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
    const subjects = await createSubjects(false, context);
    const message = new MessageControl();
    await message.start();
    const burners: ChildProcess[] = cpus().map(() => spawn(process.execPath, ["-e", "for(;;);"], { stdio: "ignore" }));
    try {
      const measured = await measure({ subjects, prioritized: false, state: makeState(0), message }, context.quick);
      return [
        durableRow("save() to durable p50, 10 MB, with every core busy", measured.durableSmall),
        durableRow("save() to durable p50, 1 GB, with every core busy", measured.durableLarge),
      ];
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
  cases: [latencyCase("uniform", false), latencyCase("prioritised", true), busyCase],
};
