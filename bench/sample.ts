import { createRandom, ReplayBuffer } from "../src/index.ts";
import { atLeast, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { compare } from "./support/compare.ts";
import { market, marketFields, marketTable, NoiseRows, SlidingWindows } from "./support/data.ts";
import { DenseRing } from "./support/dense-ring.ts";
import { figure, ratios } from "./support/figure.ts";
import { PlainSumTree } from "./support/plain-sum-tree.ts";

/*
 * How fast sample(256) is, against a plain dense ring that draws with the same generator and copies the same rows into
 * arrays that are used again. Prioritised: against the plain ring with a plain sum-tree.
 */

const BATCH = 256;
const OBSERVATION = 24;

/** Draws for the plain ring what a plain ring draws. */
type Draw = (rows: Float64Array) => void;

function uniformDraw(size: number): Draw {
  const random = createRandom(23);
  return (rows) => {
    for (let i = 0; i < rows.length; i++) rows[i] = random.int(size);
  };
}

function prioritizedDraw(size: number): Draw {
  const random = createRandom(23);
  const tree = new PlainSumTree(size);
  for (let i = 0; i < size; i++) tree.set(i, 1);
  const weights = new Float32Array(BATCH);
  return (rows) => {
    const stratum = tree.total / rows.length;
    let smallest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < rows.length; i++) {
      const leaf = tree.find((i + random.uniform()) * stratum);
      rows[i] = leaf;
      smallest = Math.min(smallest, tree.get(leaf));
    }
    for (let i = 0; i < rows.length; i++) weights[i] = (smallest / tree.get(rows[i] as number)) ** 0.4;
  };
}

interface Task {
  readonly varve: () => void;
  readonly control: () => void;
}

function inlineTask(isPrioritized: boolean, capacity: number): Task {
  const fields = {
    observation: { dtype: "float32", shape: [OBSERVATION] },
    action: { dtype: "float32", shape: [2] },
  } as const;
  const buffer = new ReplayBuffer({ capacity, fields, prioritized: isPrioritized ? {} : undefined });
  const ring = new DenseRing<Float32Array>((size) => new Float32Array(size), capacity, OBSERVATION, 2);
  const rows = new NoiseRows(OBSERVATION, 29);
  const [observation, action] = [new Float32Array(OBSERVATION), new Float32Array(2)];
  for (let i = 0; i < capacity; i++) {
    rows.write(observation);
    buffer.add({ observation, action, reward: i, nextObservation: observation, terminated: false, truncated: false });
    ring.add(observation, action, i, observation, false, false);
  }
  return taskOf(
    (out?: ReturnType<typeof buffer.sample>) => buffer.sample(BATCH, { out }),
    ring,
    isPrioritized ? prioritizedDraw(capacity) : uniformDraw(capacity),
  );
}

function windowTask(isPrioritized: boolean, capacity: number): Task {
  const buffer = new ReplayBuffer({ capacity, fields: marketFields, prioritized: isPrioritized ? {} : undefined });
  const length = market.frames * market.frameLength;
  const ring = new DenseRing<Float32Array>((size) => new Float32Array(size), capacity, length, 216);
  const windows = new SlidingWindows(marketTable(), market.frames, market.frameLength, market.episode, 31);
  const { observation, nextObservation } = windows;
  const action = new Float32Array(216);
  for (let i = 0; i < capacity; i++) {
    const terminated = windows.advance();
    buffer.add({ observation, action, reward: i, nextObservation, terminated, truncated: false });
    ring.add(observation, action, i, nextObservation, terminated, false);
  }
  return taskOf(
    (out?: ReturnType<typeof buffer.sample>) => buffer.sample(BATCH, { out }),
    ring,
    isPrioritized ? prioritizedDraw(capacity) : uniformDraw(capacity),
  );
}

/** Both fill the same arrays. */
function taskOf<B extends Parameters<DenseRing<Float32Array>["gather"]>[1]>(
  draw: (out?: B) => B,
  ring: DenseRing<Float32Array>,
  drawPlain: Draw,
): Task {
  const out = draw();
  const rows = new Float64Array(BATCH);
  return {
    varve: () => void draw(out),
    control: () => {
      drawPlain(rows);
      ring.gather(rows, out);
    },
  };
}

function rowOf(
  quantity: string,
  compared: Pick<Row, "varve"> & { readonly control: Row["varve"]; readonly speed: Row["varve"] },
): Row {
  const { varve, control, speed } = compared;
  const target = atLeast(speed.median, 0.8, "0.8 × the ring's speed");
  return {
    quantity: `${quantity} (ratio: speed)`,
    varve,
    control: { ...control, name: "plain ring" },
    ratio: speed,
    target,
  };
}

async function measureInline(isPrioritized: boolean, { quick }: Context): Promise<Row[]> {
  const kind = isPrioritized ? "prioritised" : "uniform";
  const task = inlineTask(isPrioritized, quick ? 20_000 : 500_000);
  const timing = { rounds: quick ? 3 : 7, timeMs: quick ? 20 : 700, perCall: 1, unit: "µs" } as const;
  const { varve, control, ratio } = await compare(task, timing);
  const speed = { ...ratio, median: 1 / ratio.median, min: 1 / ratio.max, max: 1 / ratio.min };
  return [rowOf(`sample(256), inline, ${kind}`, { varve, control, speed })];
}

/** A gigabyte a batch: a few calls are enough, one after another. */
async function measureWindows(isPrioritized: boolean, { quick, progress }: Context): Promise<Row[]> {
  const kind = isPrioritized ? "prioritised" : "uniform";
  progress(kind);
  const task = windowTask(isPrioritized, quick ? 64 : 256);
  task.varve();
  task.control();
  const times = { varve: [] as number[], control: [] as number[] };
  for (let i = 0; i < (quick ? 3 : 9); i++) {
    for (const name of i % 2 === 0 ? (["varve", "control"] as const) : (["control", "varve"] as const)) {
      const startedMs = performance.now();
      task[name]();
      times[name].push(performance.now() - startedMs);
    }
  }
  const { varve, control } = times;
  const speed = ratios(control, varve);
  return [
    rowOf(`sample(256), windows, ${kind}`, { varve: figure(varve, "ms"), control: figure(control, "ms"), speed }),
  ];
}

const cases: readonly Case[] = [false, true].flatMap((isPrioritized) => {
  const kind = isPrioritized ? "prioritised" : "uniform";
  return [
    { name: `inline, ${kind}`, measure: (context: Context) => measureInline(isPrioritized, context) },
    { name: `windows, ${kind}`, measure: (context: Context) => measureWindows(isPrioritized, context) },
  ];
});

export const sample: Bench = { name: "sample", about: "how fast sample(256) is, against a plain dense ring", cases };
