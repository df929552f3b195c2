// Lets everything fail that this process does not wait for, in one way after another: prints what was rejected unheard,
// of each way, and that the saver was not lost over it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../../src/errors.ts";
import { Checkpointer, type CheckpointerOptions, CloudSync, isVarveError, ReplayBuffer } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { type Fault, type FaultStore, withFaults } from "../../src/testing/fault-store.ts";

const fields = { observation: { dtype: "float32", shape: [3] }, action: { dtype: "int32", shape: [] } } as const;
const newBuffer = () => new ReplayBuffer({ capacity: 64, fields });

function addRows(buffer: ReturnType<typeof newBuffer>, count: number): void {
  const [observation, nextObservation] = [new Float32Array(3).fill(1), new Float32Array(3).fill(2)];
  for (let row = 0; row < count; row++) {
    buffer.add({ observation, action: row, reward: 0, nextObservation, terminated: false, truncated: false });
  }
}

const forEver = { times: Number.POSITIVE_INFINITY };
const denied = (method: string, name: string): StoreError => new StoreError("permission", method, name, "HTTP 403");
const root = mkdtempSync(join(tmpdir(), "varve-unheard-"));
const unheard: unknown[] = [];
process.on("unhandledRejection", (reason) => void unheard.push(reason));
let crashes = 0;
let made = 0;

/** An unheard rejection in the saver's thread is the end of that, and of the saves that it had. */
async function end(run: Checkpointer): Promise<void> {
  await run.close();
  if (isVarveError(run.status().lastError, "VARVE_SAVER_CRASHED")) crashes++;
}

interface Run {
  readonly run: Checkpointer;
  readonly store: FaultStore;
  readonly buffer: ReturnType<typeof newBuffer>;
}

/** A run with two checkpoints, after which the store fails so. */
async function runWith(fault: Fault, options: Partial<CheckpointerOptions> = {}): Promise<Run> {
  const store = withFaults(createMemoryStore());
  const patience = { closeTimeoutMs: 300, retry: { attempts: 2, baseDelayMs: 1, maxDelayMs: 1 } };
  const run = await Checkpointer.open({ store, keepLast: 1, log: false, ...patience, ...options });
  const buffer = newBuffer();
  for (const step of [1, 2]) {
    addRows(buffer, 20);
    await run.save({ step, buffer, state: { a: Float32Array.of(step) } }).committed;
  }
  store.faults.add(fault);
  return { run, store, buffer };
}

/** Whoever does not wait for what these return hears of no failure; a call itself is heard, as nobody else could. */
const heard = (promise: PromiseLike<unknown>): void => void promise.then(undefined, () => undefined);
const newLocal = (): string => join(root, `local-${made++}`);
const failing: Fault = { kind: "reject", error: denied, ...forEver };

const ways: Readonly<Record<string, () => Promise<void>>> = {
  "saves to one store": async () => {
    const { run } = await runWith(failing);
    for (let step = 3; step < 8; step++) void run.save({ step, state: step });
    await end(run);
  },
  "saves to two tiers, and a sync": async () => {
    const { run } = await runWith(failing, { local: newLocal() });
    for (let step = 3; step < 8; step++) void run.save({ step, state: step });
    heard(run.sync());
    const again = new AbortController();
    heard(run.sync({ signal: again.signal }));
    again.abort();
    await end(run);
  },
  "a sync that nothing answers": async () => {
    const { run, store } = await runWith({ kind: "stall", ...forEver }, { local: newLocal() });
    void run.save({ step: 3, state: 3 });
    heard(run.sync());
    await end(run);
    store.faults.release();
  },
  "a prune, and retention": async () => {
    for (const kind of ["reject", "lost-answer"] as const) {
      const { run } = await runWith({ ...failing, kind, method: "delete" });
      void run.save({ step: 3, state: 3 });
      heard(run.prune());
      heard(run.pin(99));
      void run.save({ step: 4, state: 4 });
      await end(run);
    }
  },
  "a restore that is given up, and one that fails": async () => {
    const { run, store, buffer } = await runWith({ kind: "stall", method: "get", name: /^packs/, ...forEver });
    void run.save({ step: 3, buffer, state: 3 });
    const given = new AbortController();
    heard(run.restore({ buffer: newBuffer(), signal: given.signal }));
    while (store.faults.injected.stall === 0) await sleep(5);
    given.abort();
    store.faults.release();
    store.faults.add({ ...failing, method: "get" });
    heard(run.restore({ buffer: newBuffer() }));
    heard(run.verify({ readData: true }));
    await end(run);
  },
  CloudSync: async () => {
    const bucket = join(root, `bucket-${made++}`);
    // A file where the folder should be: nothing can be read or written there.
    writeFileSync(bucket, "in the way");
    const file = join(root, "file");
    writeFileSync(file, "content");
    mkdirSync(join(root, "folder"), { recursive: true });
    writeFileSync(join(root, "folder", "file"), "content");
    const cloud = new CloudSync({ provider: "local", bucket, project: "project", log: false });
    const buffer = newBuffer();
    addRows(buffer, 10);
    void cloud.saveAndUploadBuffer(buffer, join(root, "buffer.varve"));
    void cloud.uploadFile(file);
    void cloud.uploadFile(join(root, "missing"), "x", { background: true });
    void cloud.uploadDirectory(join(root, "folder"));
    void cloud.downloadFile("none", join(root, "copy"));
    cloud.uploadFile(file, "y").cancel();
    heard(cloud.fileExists("z"));
    await cloud.waitForUploads();
    void cloud.retryFailed();
    await cloud.shutdown({ timeoutMs: 2000 });
  },
  "planted bug: a promise that nobody hears": async () => {
    void Promise.reject(new Error("planted"));
  },
};

const seen: Record<string, number> = {};
for (const [way, run] of Object.entries(ways)) {
  const before = unheard.length;
  await run();
  // A rejection counts as unheard when the turn of the loop in which it came about is over.
  for (let turn = 0; turn < 5; turn++) await sleep(5);
  seen[way] = unheard.length - before;
}
console.log(JSON.stringify({ seen, crashes, first: unheard.map(String) }));
rmSync(root, { recursive: true, force: true });
