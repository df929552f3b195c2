import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Checkpointer } from "../src/index.ts";
import { atLeast, atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { NoiseRows } from "./support/data.ts";
import { figure, ratios } from "./support/figure.ts";
import { Trainer, trainFor, type Window, type WindowOptions } from "./support/trainer.ts";

/*
 * What saving costs training. A trainer fills one core: a layer of a network and one add() a step. Windows without
 * saves and windows with one save after another take turns, so that both meet the same machine.
 */

/** What the synchronous save compresses: little, so that the bench ends. */
const gzipBytes = (quick: boolean): number => (quick ? 2 : 32) * 2 ** 20;

/** About half a millisecond. To ask for the status at every step costs 8 % of them, which no trainer would pay. */
const STEPS_BETWEEN_LOOKS = 64;

/** What the original design does, on the training thread: compress, write, fsync. */
function saveSynchronously(folder: string, content: Uint8Array): void {
  const file = openSync(join(folder, "buffer.gz"), "w");
  writeSync(file, gzipSync(content, { level: 6 }));
  fsyncSync(file);
  closeSync(file);
}

interface Windows {
  readonly control: Window[];
  readonly saving: Window[];
  readonly synchronous: Window[];
  saves: number;
  storedBytes: number;
}

async function measure(context: Context, yields: boolean): Promise<Windows> {
  const [pairs, durationMs] = context.quick ? [3, 100] : [7, 1500];
  // The control's rows go to a buffer that nobody saves: the same work, and no saver that encodes full blocks.
  const [saved, unsaved] = [new Trainer(), new Trainer()];
  const checkpointer = await Checkpointer.open({ store: join(context.scratch, "run"), keepLast: 3 });
  const windows: Windows = { control: [], saving: [], synchronous: [], saves: 0, storedBytes: 0 };
  const content = new Uint8Array(gzipBytes(context.quick));
  const length = content.length / 4 / 64;
  const pool = new NoiseRows(length, 7);
  for (let i = 0; i < 64; i++) pool.write(new Float32Array(content.buffer, i * length * 4, length));
  const rest = { durationMs, yields, between: () => undefined };
  let steps = 0;
  const save = (): void => {
    if (++steps % STEPS_BETWEEN_LOOKS !== 0 || checkpointer.status().pending > 0) return;
    checkpointer.save({ step: windows.saves++, buffer: saved.buffer, state: { weights: saved.weights } });
  };
  // Both buffers are full and the code is compiled before anything counts.
  await trainFor(unsaved, { ...rest, durationMs: durationMs * 2 });
  await trainFor(saved, { ...rest, durationMs, between: save });
  windows.saves = 0;
  const bytesBefore = checkpointer.status().bytes;
  for (let pair = 0; pair < pairs; pair++) {
    await checkpointer.waitUntilFinished();
    await sleep(context.quick ? 30 : 300);
    windows.control.push(await trainFor(unsaved, rest));
    windows.saving.push(await trainFor(saved, { ...rest, between: save }));
    context.progress(`pair ${pair + 1} of ${pairs}`);
  }
  await checkpointer.close();
  windows.storedBytes = checkpointer.status().bytes - bytesBefore;
  for (let i = 0; i < 3; i++) windows.synchronous.push(await trainWithGzip(unsaved, rest, context, content));
  return windows;
}

/** One synchronous save in the middle of a window. */
async function trainWithGzip(
  trainer: Trainer,
  rest: WindowOptions,
  context: Context,
  content: Uint8Array,
): Promise<Window> {
  const halfwayMs = performance.now() + rest.durationMs / 2;
  let isSaved = false;
  const between = (): void => {
    if (isSaved || performance.now() < halfwayMs) return;
    isSaved = true;
    saveSynchronously(context.scratch, content);
  };
  return trainFor(trainer, { ...rest, between });
}

function rowsOf(label: string, { control, saving, synchronous, saves, storedBytes }: Windows): Row[] {
  const speed = (windows: readonly Window[]): number[] => windows.map(({ stepsPerSecond }) => stepsPerSecond);
  const cpu = (windows: readonly Window[]): number[] => windows.map(({ stepsPerCpuSecond }) => stepsPerCpuSecond);
  const gaps = (windows: readonly Window[]): number[] => windows.map(({ longestGapMs }) => longestGapMs);
  const throughput = ratios(speed(saving), speed(control));
  const own = figure(gaps(saving), "ms");
  const controlGap = figure(gaps(control), "ms");
  const limit = Math.max(5, 2 * controlGap.median);
  const gzip = figure(gaps(synchronous), "ms");
  const shorter = gzip.median / own.median;
  const megabytes = (storedBytes / 1e6).toFixed(0);
  return [
    {
      quantity: `steps a second during ${saves} saves (${megabytes} MB stored), ${label}`,
      varve: figure(speed(saving), "/s"),
      control: { ...figure(speed(control), "/s"), name: "no saves" },
      ratio: throughput,
      target: atLeast(throughput.median, 0.97, "0.97 ×"),
    },
    {
      quantity: `steps a second that the training thread ran, ${label}`,
      varve: figure(cpu(saving), "/s"),
      control: { ...figure(cpu(control), "/s"), name: "no saves" },
      ratio: ratios(cpu(saving), cpu(control)),
    },
    {
      quantity: `longest gap between steps, ${label}`,
      varve: own,
      control: { ...controlGap, name: "no saves" },
      ratio: ratios(gaps(saving), gaps(control)),
      target: atMost(own.median, limit, `${limit.toPrecision(3)} ms (5 ms or 2 × the control)`),
    },
    {
      quantity: `a synchronous gzip-6 save's gap by ours, ${label}`,
      varve: own,
      control: { ...gzip, name: "gzip-6 of 32 MiB" },
      ratio: figure([shorter], "×"),
      target: atLeast(shorter, 100, "100 ×"),
    },
    {
      quantity: `steps a second with one synchronous gzip-6 save, ${label}`,
      varve: figure(speed(saving), "/s"),
      control: { ...figure(speed(synchronous), "/s"), name: "gzip-6 of 32 MiB" },
    },
  ];
}

function trainingCase(name: string, yields: boolean): Case {
  return { name, measure: async (context) => rowsOf(name, await measure(context, yields)) };
}

export const training: Bench = {
  name: "training",
  about: "what one save after another costs a trainer that fills one core",
  cases: [trainingCase("never yielding", false), trainingCase("yielding every ms", true)],
};
