import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AnyBuffer, Checkpointer, type SaveResult } from "../src/index.ts";
import { atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { figure, ratios, type Unit } from "./support/figure.ts";
import { createRows, createWindows, type Filler } from "./support/fillers.ts";
import { writeDurablyMs } from "./support/plain-file.ts";

/*
 * What a later save costs: one with nothing new, one with 1 % of the rows new. The first save of the same run is the
 * control; every round is a run of its own.
 */

/** So long after a save, whatever the saver does beside it is over. */
const settleMs = (quick: boolean): number => (quick ? 50 : 300);

interface Round {
  readonly first: SaveResult;
  readonly nothing: SaveResult;
  readonly some: SaveResult;
  /** Writing as much as `nothing` and `some` did to one plain file, and syncing it. */
  readonly plainNothingMs: number;
  readonly plainSomeMs: number;
}

async function measureRound({ buffer, add }: Filler, { quick, scratch }: Context, round: number): Promise<Round> {
  const checkpointer = await Checkpointer.open({ store: join(scratch, `run-${round}`) });
  const save = async (step: number): Promise<SaveResult> => {
    const result = await checkpointer.save({ step, buffer: buffer as AnyBuffer }).durable;
    await sleep(settleMs(quick));
    return result;
  };
  const first = await save(1);
  const nothing = await save(2);
  const plainNothingMs = writeDurablyMs(scratch, nothing.storedBytes);
  add(Math.round(buffer.capacity / 100));
  const some = await save(3);
  const plainSomeMs = writeDurablyMs(scratch, some.storedBytes);
  await checkpointer.close();
  return { first, nothing, some, plainNothingMs, plainSomeMs };
}

function rowsOf(label: string, rounds: readonly Round[]): Row[] {
  const row = (what: string, save: "nothing" | "some", key: keyof SaveResult, unit: Unit, scale: number): Row => {
    const of = (which: "first" | "nothing" | "some"): number[] => rounds.map((one) => Number(one[which][key]) / scale);
    return {
      quantity: `${save === "nothing" ? "nothing new" : "1 % new"}: ${what}, ${label}`,
      varve: figure(of(save), unit),
      control: { ...figure(of("first"), unit), name: "the first save" },
      ratio: ratios(of(save), of("first")),
    };
  };
  const held = (measured: Row, limit: number, text: string): Row => ({
    ...measured,
    target: atMost(measured.varve.median, limit, text),
  });
  const against = (measured: Row, plain: readonly number[]): Row => ({
    quantity: measured.quantity,
    varve: measured.varve,
    control: { ...figure(plain, "ms"), name: "write + fsync of as much" },
  });
  const nothingMs = held(row("save() to durable", "nothing", "elapsedMs", "ms", 1), 50, "50 ms");
  const someMs = row("save() to durable", "some", "elapsedMs", "ms", 1);
  return [
    held(row("requests", "nothing", "requests", "", 1), 5, "5"),
    held(row("written", "nothing", "storedBytes", "KiB", 1024), 64, "64 KiB"),
    nothingMs,
    against(
      nothingMs,
      rounds.map((one) => one.plainNothingMs),
    ),
    row("requests", "some", "requests", "", 1),
    row("written", "some", "storedBytes", "MB", 1e6),
    someMs,
    against(
      someMs,
      rounds.map((one) => one.plainSomeMs),
    ),
  ];
}

function incrementalCase(label: string, create: (quick: boolean) => Filler): Case {
  return {
    name: label,
    async measure(context) {
      const filler = create(context.quick);
      context.progress("filling");
      filler.add(filler.buffer.capacity);
      const rounds: Round[] = [];
      for (let round = 0; round < (context.quick ? 3 : 5); round++) {
        rounds.push(await measureRound(filler, context, round));
        context.progress(`round ${round + 1}`);
      }
      return rowsOf(label, rounds);
    },
  };
}

export const incremental: Bench = {
  name: "incremental",
  about: "what a later save costs when nothing or 1 % is new, against the first",
  cases: [
    incrementalCase("unshared rows, 256 MB", (quick) => createRows(quick ? 10e6 : 256e6)),
    incrementalCase("windows 504 × 108 × 9 f32", (quick) => createWindows(quick ? 300 : 20_000)),
  ],
};
