import { ReplayBuffer } from "../src/index.ts";
import { atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { compare } from "./support/compare.ts";
import { gameFrames, market, marketFields, marketTable, NoiseRows, SlidingWindows } from "./support/data.ts";
import { DenseRing } from "./support/dense-ring.ts";
import { figure, latencies, ratios } from "./support/figure.ts";

/*
 * What add() costs, against copying the same transition into a plain dense ring. Windows are copied together by the
 * "environment" before each call, as environments do; that is not timed.
 */

/** Times add() and the plain copy in turns, row by row: the same two observations, just as warm for both. */
function timeWindows<A extends Float32Array | Uint8Array>(
  windows: SlidingWindows<A>,
  add: (windows: SlidingWindows<A>, ended: boolean) => void,
  copy: (windows: SlidingWindows<A>) => void,
  count: number,
): { readonly own: number[]; readonly plain: number[] } {
  const own: number[] = [];
  const plain: number[] = [];
  for (let i = 0; i < count; i++) {
    const ended = windows.advance();
    const timeAdd = (): void => {
      const startedMs = performance.now();
      add(windows, ended);
      own.push(performance.now() - startedMs);
    };
    const timeCopy = (): void => {
      const startedMs = performance.now();
      copy(windows);
      plain.push(performance.now() - startedMs);
    };
    // Whoever comes second finds the observations in the cache.
    for (const time of i % 2 === 0 ? [timeAdd, timeCopy] : [timeCopy, timeAdd]) time();
  }
  return { own, plain };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Rounds of `count` rows each: time per row on average, and the tail over all rounds. */
function windowRows(
  label: string,
  rounds: readonly { readonly own: readonly number[]; readonly plain: readonly number[] }[],
): Row[] {
  const mean = (values: readonly number[]): number => (1000 * sum(values)) / values.length;
  const [own, plain] = [rounds.map((round) => mean(round.own)), rounds.map((round) => mean(round.plain))];
  const ratio = ratios(own, plain);
  const at = (key: "own" | "plain", part: "p50" | "p99"): number[] =>
    rounds.map((round) => 1000 * latencies(round[key])[part]);
  return [
    {
      quantity: `add() on average, ${label}`,
      varve: figure(own, "µs"),
      control: { ...figure(plain, "µs"), name: "plain copy" },
      ratio,
      target: atMost(ratio.median, 0.8, "0.8 ×"),
    },
    ...(["p50", "p99"] as const).map((part) => ({
      quantity: `add() ${part}, ${label}`,
      varve: figure(at("own", part), "µs"),
      control: { ...figure(at("plain", part), "µs"), name: "plain copy" },
      ratio: ratios(at("own", part), at("plain", part)),
    })),
  ];
}

async function measureMarket({ quick, progress }: Context): Promise<Row[]> {
  const windows = new SlidingWindows(marketTable(), market.frames, market.frameLength, market.episode, 11);
  const buffer = new ReplayBuffer({ capacity: 50_000, fields: marketFields });
  const length = market.frames * market.frameLength;
  const ring = new DenseRing<Float32Array>((size) => new Float32Array(size).fill(1), 16, length, 216);
  const action = new Float32Array(216);
  const add = ({ observation, nextObservation }: SlidingWindows<Float32Array>, terminated: boolean): void =>
    buffer.add({ observation, action, reward: 1, nextObservation, terminated, truncated: false });
  const copy = ({ observation, nextObservation }: SlidingWindows<Float32Array>): void =>
    ring.add(observation, action, 1, nextObservation, false, false);
  const count = quick ? 300 : 4000;
  const rounds = Array.from({ length: quick ? 3 : 5 }, (_, round) => {
    progress(`market windows, round ${round + 1}`);
    return timeWindows(windows, add, copy, count);
  });
  return windowRows("windows 504 × 108 × 9 f32", rounds);
}

async function measureStacks({ quick, progress }: Context): Promise<Row[]> {
  const fields = {
    observation: { dtype: "uint8", shape: [4, 84, 84], frames: 4 },
    action: { dtype: "int32", shape: [] },
  } as const;
  // As many frames as the buffer can hold and more: hardly one comes twice.
  const windows = new SlidingWindows(gameFrames(quick ? 3000 : 30_000), 4, 84 * 84, 500, 17);
  const buffer = new ReplayBuffer({ capacity: 10_000, fields });
  const ring = new DenseRing<Uint8Array>((size) => new Uint8Array(size).fill(1), 10_000, 4 * 84 * 84, 1);
  const action = new Float32Array(1);
  const add = ({ observation, nextObservation }: SlidingWindows<Uint8Array>, terminated: boolean): void =>
    buffer.add({ observation, action: 1, reward: 1, nextObservation, terminated, truncated: false });
  const copy = ({ observation, nextObservation }: SlidingWindows<Uint8Array>): void =>
    ring.add(observation, action, 1, nextObservation, false, false);
  const count = quick ? 300 : 20_000;
  timeWindows(windows, add, copy, quick ? 1000 : 10_000);
  const rounds = Array.from({ length: quick ? 3 : 5 }, (_, round) => {
    progress(`frame stacks, round ${round + 1}`);
    return timeWindows(windows, add, copy, count);
  });
  return windowRows("stacks 4 × 84 × 84 u8", rounds);
}

const ROWS_PER_CALL = 1000;

async function measureInline(elements: number, { quick, progress }: Context): Promise<Row[]> {
  progress(`inline, ${elements} elements`);
  const capacity = 100_000;
  const fields = {
    observation: { dtype: "float32", shape: [elements] },
    action: { dtype: "float32", shape: [1] },
  } as const;
  const buffer = new ReplayBuffer({ capacity, fields });
  const ring = new DenseRing<Float32Array>((size) => new Float32Array(size), capacity, elements, 1);
  const looped = new DenseRing<Float32Array>((size) => new Float32Array(size), capacity, elements, 1, { loop: true });
  const rows = new NoiseRows(elements, 19);
  // Some observations, made before, that all go through.
  const observations = Array.from({ length: 257 }, () => {
    const observation = new Float32Array(elements);
    rows.write(observation);
    return observation;
  });
  const action = new Float32Array(1);
  const varve = (): void => {
    for (let i = 0; i < ROWS_PER_CALL; i++) {
      const observation = observations[i & 255] as Float32Array;
      const nextObservation = observations[(i & 255) + 1] as Float32Array;
      buffer.add({ observation, action, reward: i, nextObservation, terminated: false, truncated: false });
    }
  };
  const plain = (target: DenseRing<Float32Array>) => () => {
    for (let i = 0; i < ROWS_PER_CALL; i++) {
      target.add(
        observations[i & 255] as Float32Array,
        action,
        i,
        observations[(i & 255) + 1] as Float32Array,
        false,
        false,
      );
    }
  };
  const timing = { rounds: quick ? 3 : 7, timeMs: quick ? 20 : 500, perCall: ROWS_PER_CALL, unit: "ns" } as const;
  const compared = await compare({ varve, control: plain(ring) }, timing);
  const strict = await compare({ varve, control: plain(looped) }, timing);
  const quantity = `add(), inline observations of ${elements} f32`;
  return [
    {
      quantity,
      varve: compared.varve,
      control: { ...compared.control, name: "plain ring" },
      ratio: compared.ratio,
      target: atMost(compared.ratio.median, 2, "2 ×"),
    },
    { quantity, varve: strict.varve, control: { ...strict.control, name: "ring with a loop" }, ratio: strict.ratio },
  ];
}

const cases: readonly Case[] = [
  { name: "windows", measure: measureMarket },
  { name: "stacks", measure: measureStacks },
  { name: "inline 3", measure: (context) => measureInline(3, context) },
  { name: "inline 24", measure: (context) => measureInline(24, context) },
];

export const add: Bench = { name: "add", about: "what add() costs, against a plain copy into a dense ring", cases };
