import { RunTotals } from "../../../src/dashboard/run-totals.ts";
import { parseRecord } from "../../../src/record/record-guard.ts";
import type { RunRecord } from "../../../src/record/run-record.ts";
import { applyRecord, emptyView } from "../../../src/record/run-view.ts";
import { committed, durable, END, generation, queued, START, status } from "../../record/sample-records.ts";
import type { FuzzTarget } from "../fuzz.ts";
import { isPartOf } from "../fuzz.ts";
import { chance, type Json, mutateBytes, mutateJson, mutateJsonText, pick } from "../mutations.ts";

const error = { code: "VARVE_STORE", message: "away", hint: null };

const SOUND: readonly RunRecord[] = [
  ...[START, END, generation(3), status({ lastError: error }), queued(2), durable(2), committed(2)],
  { event: "failed", atMs: 5, step: 1, sequence: 2, error },
  { event: "degraded", atMs: 5, store: "s3://b/r", behind: 2, error },
  { event: "warning", atMs: 5, message: "careful" },
];

/** A line of a run's log: whatever it says, the view of the run and its totals take it in. */
export const recordTarget: FuzzTarget = {
  name: "record of a run",
  mostAllocatedBytes: 64 * 1024,
  attempt(random, input) {
    const text = JSON.stringify(pick(random, SOUND));
    const isTree = chance(random, 0.6);
    const bytes = isTree
      ? Buffer.from(JSON.stringify(mutateJson(JSON.parse(text) as Json, random)))
      : Buffer.from(chance(random, 0.8) ? mutateJsonText(text, random) : mutateBytes(Buffer.from(text), random));
    input(bytes);
    const record = parseRecord(bytes);
    if (record === null) return "refused";
    applyRecord(emptyView(), record);
    new RunTotals().add(record);
    // A score that is no number is written as null.
    const told = JSON.parse(JSON.stringify(record)) as unknown;
    const said = JSON.parse(bytes.toString("utf8"), giveNoJobs) as unknown;
    if (!isPartOf(told, said)) throw new Error("what was read is not what the line says");
    return "accepted";
  },
};

/** Lines from before uploads were told one by one have no `jobs`, and are read as if there were none. */
function giveNoJobs(key: string, value: unknown): unknown {
  const isUpload = key === "upload" && typeof value === "object" && value !== null;
  return isUpload && !Object.hasOwn(value, "jobs") ? { ...value, jobs: [] } : value;
}
