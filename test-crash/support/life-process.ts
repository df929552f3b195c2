// One life of a run: resumes it if it is there, saves, prunes, closes. It waits for a byte on standard input once the run
// is open, so that whoever traces it counts its file calls from there, and with VARVE_GATED before each save as well.
// What became durable, and what failed, goes to standard output at once; training goes on whatever fails.
import { readSync, writeSync } from "node:fs";
import { Checkpointer, isVarveError, type StoreError } from "../../src/index.ts";
import { plantedStore } from "./planted-store.ts";
import { createCrashBuffer, stateAt, trainTo } from "./run-content.ts";

const [folder = "", saves = "2"] = process.argv.slice(2);
const isGated = process.env["VARVE_GATED"] === "1";
const user = process.env["VARVE_USER"];

const tell = (fact: object): void => void writeSync(1, `${JSON.stringify(fact)}\n`);
const gate = (): void => void readSync(0, new Uint8Array(1));

async function attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const { message, code, kind, hint, neededBytes, freeBytes } = error as StoreError;
    tell({ failed: what, isTyped: isVarveError(error), message, code, kind, hint, neededBytes, freeBytes });
    return false;
  }
}

const checkpointer = await Checkpointer.open({
  store: plantedStore(folder, process.env["VARVE_PLANTED"]) ?? folder,
  keepLast: 2,
  gracePeriodMs: 0,
  log: (event) => void (event.kind === "warning" && tell({ warning: event.message })),
});
if (user !== undefined) process.seteuid?.(Number(user));
tell({ opened: true });
gate();
const buffer = createCrashBuffer();
let from = 0;
const restore = async (): Promise<void> => {
  from = (await checkpointer.restore({ buffer, overwrite: true }))?.step ?? 0;
};
// A disk that fails once is asked a second time.
if (!(await attempt("restore", restore))) await restore();
tell({ restored: from });
for (let step = from + 1; step <= from + Number(saves); step++) {
  if (isGated) gate();
  trainTo(buffer, step);
  tell({ trained: step });
  await attempt("save", async () => {
    await checkpointer.save({ step, buffer, state: stateAt(step) }).durable;
    tell({ durable: step });
  });
}
if (await attempt("prune", () => checkpointer.prune({ takeOver: true }))) tell({ pruned: true });
await attempt("close", () => checkpointer.close());
tell({ ended: true });
