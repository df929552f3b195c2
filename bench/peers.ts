import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { measureProgram, type Outcome, programs } from "./peers/programs.ts";
import { type PeerData, peerData, writeData } from "./peers/shared-data.ts";
import type { Bench, Context, ProgramRow } from "./support/bench.ts";
import { type Figure, figure, type Unit } from "./support/figure.ts";

/*
 * Other programs that save a replay buffer, each as its own documentation has it, on the same rows in the same run.
 * Each is measured once, in processes of its own, and what it brings back is compared with what it was given.
 */

const once = (value: number, unit: Unit): Figure => figure([value], unit);
/** Milliseconds with three digits say more than can be repeated. */
const time = (ms: number): Figure => once(ms < 10 ? ms : Math.round(ms), "ms");
const size = (bytes: number): Figure => once(bytes / 1e6, "MB");

function rowOf(name: string, data: string, outcome: Outcome): ProgramRow {
  if ("skipped" in outcome) return { program: `${name}: SKIPPED, ${outcome.skipped}`, cells: { data } };
  const { version, syncs, first, second, restoreMs, tornRows } = outcome;
  return {
    program: `${name} ${version.replace(/\+.*/, "")}${syncs ? "" : " †"}`,
    cells: {
      data,
      "save blocks": time(first.blockedMs),
      durable: time(first.durableMs),
      written: size(first.writtenBytes),
      "extra memory": size(first.extraRssBytes),
      "1 % new: blocks": time(second.blockedMs),
      "durable ": time(second.durableMs),
      "written ": size(second.writtenBytes),
      restore: time(restoreMs),
      "torn rows": once(tornRows, ""),
    },
  };
}

async function measure(data: PeerData, { quick, scratch, source, progress }: Context): Promise<ProgramRow[]> {
  const folder = join(scratch, "data");
  mkdirSync(folder);
  const { capacity } = writeData(data, quick, folder);
  progress(`${capacity} transitions with ${data.about}`);
  return programs.map((program) => {
    const startedMs = performance.now();
    try {
      const outcome = measureProgram(program, { source, data: folder, dataName: data.name, scratch });
      progress(`${program.name}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
      return rowOf(program.name, data.name, outcome);
    } catch (error) {
      // The others are measured all the same; the run ends with an error.
      progress((error as Error).message);
      return { program: `${program.name}: FAILED`, cells: { data: data.name }, hasFailed: true };
    }
  });
}

export const peers: Bench = {
  name: "peers",
  about: "other programs on the same buffer of 1 GB, once each; † does not sync: the bench does, and counts it",
  cases: peerData.map((data) => ({ name: data.name, measure: (context) => measure(data, context) })),
  isOptional: true,
};
