import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { CheckpointLister } from "../../src/dashboard/checkpoint-lister.ts";
import { startDashboard } from "../../src/dashboard/dashboard.ts";
import { Checkpointer, openStore, ReplayBuffer } from "../../src/index.ts";
import { recordFileOf } from "../../src/record/read-records.ts";
import type { CheckpointsRecord, RunRecord } from "../../src/record/run-record.ts";
import { committed, durable, END, generation, queued, START, status } from "../record/sample-records.ts";
import { ask, eventsUntil, isReady, recordsIn, type StreamEvent, served, TOKEN, withToken } from "./served.ts";

const FIELDS = {
  observation: { dtype: "float32", shape: [2] },
  action: { dtype: "float32", shape: [1] },
} as const;

const lineOf = (record: RunRecord): string => `${JSON.stringify(record)}\n`;

function runFolder(...records: readonly RunRecord[]): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-dashboard-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = recordFileOf(folder);
  mkdirSync(dirname(file));
  writeFileSync(file, records.map(lineOf).join(""));
  return folder;
}

async function saveSome(folder: string, steps: readonly number[]): Promise<void> {
  const buffer = new ReplayBuffer({ capacity: 8, fields: FIELDS });
  const run = await Checkpointer.open({ store: folder, log: false });
  for (const step of steps)
    await run.save({ step, buffer, state: { step, weights: new Float32Array(64).fill(step) } }).committed;
  await run.close();
}

const checkpointsIn = (events: readonly StreamEvent[]): CheckpointsRecord | undefined =>
  recordsIn(events).findLast((record) => record.event === "checkpoints");

describe("a run that is stored", () => {
  test("is told in full: its log before ready, and its checkpoints with one that cannot be read", async () => {
    const log = [START, generation(1), queued(1), durable(1), committed(1), generation(2), status(), END];
    const folder = runFolder(...log);
    await saveSome(folder, [1, 2, 3]);
    const [, damaged = ""] = readdirSync(join(folder, "checkpoints")).sort();
    writeFileSync(join(folder, "checkpoints", damaged), "{");
    const dashboard = await served({ runs: [{ store: folder }] });
    const events = await eventsUntil(dashboard, (so) => isReady(so) && checkpointsIn(so) !== undefined);
    expect(events[0]).toEqual({ event: "reset", data: {} });
    const told = recordsIn(events).filter(({ event }) => event !== "checkpoints");
    expect(told.filter(({ event }) => event !== "status")).toEqual(log.filter(({ event }) => event !== "status"));
    expect(told.filter(({ event }) => event === "status")).toEqual([status()]);
    const { checkpoints = [] } = checkpointsIn(events) ?? {};
    expect(checkpoints.map(({ sequence, step, problem }) => [sequence, step, problem])).toEqual([
      [1, 1, null],
      [2, 0, expect.stringContaining(damaged)],
      [3, 3, null],
    ]);
  });

  test("says which of its checkpoints lack a pack, or have one that was cut short, also where that comes later", async () => {
    const folder = runFolder(START);
    await saveSome(folder, [1]);
    const [first = ""] = readdirSync(join(folder, "packs"));
    await saveSome(folder, [2]);
    const packs = readdirSync(join(folder, "packs")).filter((name) => name !== first);
    rmSync(join(folder, "packs", packs[0] ?? ""));
    const dashboard = await served({ runs: [{ store: folder }] });
    const problems = (so: readonly StreamEvent[]) => checkpointsIn(so)?.checkpoints.map(({ problem }) => problem);
    const events = await eventsUntil(dashboard, (so) => problems(so) !== undefined);
    expect(problems(events)).toEqual([null, `"packs/${packs[0]}" is missing`]);
    appendFileSync(join(folder, "packs", first), "x");
    const lister = new CheckpointLister({ url: folder, options: {} }, null);
    onTestFinished(() => lister.close());
    const { signal } = new AbortController();
    const facts = await lister.listChanged(signal);
    expect(facts?.[0]?.problem).toMatch(/^"packs\/.*" has \d+ bytes, expected \d+/);
    expect(await lister.listChanged(signal, true)).toBeNull();
    rmSync(join(folder, "packs", first));
    expect(await lister.listChanged(signal)).toBeNull();
    expect((await lister.listChanged(signal, true))?.[0]?.problem).toMatch(/is missing/);
  });

  test("whose folder lacks what another machine sent to the store is complete all the same", async () => {
    const folder = runFolder(START);
    await saveSome(folder, [1]);
    const [pack = ""] = readdirSync(join(folder, "packs"));
    rmSync(join(folder, "packs", pack));
    const { signal } = new AbortController();
    const problemAsCache = async (): Promise<string | null | undefined> => {
      const lister = new CheckpointLister({ url: folder, options: {} }, null, true);
      onTestFinished(() => lister.close());
      return (await lister.listChanged(signal))?.[0]?.problem;
    };
    expect(await problemAsCache()).toMatch(/is missing/);
    rmSync(join(folder, "writers"), { recursive: true });
    expect(await problemAsCache()).toBeNull();
  });

  test("is followed: lines and checkpoints that come later are told, and a log that begins anew is told anew", async () => {
    const folder = runFolder(START, generation(1));
    const file = recordFileOf(folder);
    const dashboard = await served({ runs: [{ store: folder }] });
    let step = 0;
    const events = await eventsUntil(dashboard, (so) => {
      const records = recordsIn(so);
      if (step === 0 && isReady(so)) {
        step = 1;
        appendFileSync(file, lineOf(generation(2)));
        void saveSome(folder, [5]);
      }
      if (step === 1 && records.some(({ event, atMs }) => event === "generation" && atMs === 2000)) {
        if (checkpointsIn(so)?.checkpoints.length !== 1) return false;
        step = 2;
        writeFileSync(`${file}.new`, lineOf(START) + lineOf(generation(7)));
        renameSync(`${file}.new`, file);
      }
      const again = so.slice(so.findLastIndex(({ event }) => event === "reset"));
      const resets = so.filter(({ event }) => event === "reset").length;
      return resets === 2 && isReady(again) && checkpointsIn(again) !== undefined;
    });
    const again = events.slice(events.findLastIndex(({ event }) => event === "reset"));
    expect(recordsIn(again).filter(({ event }) => event !== "checkpoints")).toEqual([START, generation(7)]);
    expect(checkpointsIn(again)?.checkpoints).toMatchObject([{ step: 5 }]);
  });

  test("is named in a list with what is wrong with it, and without credentials", async () => {
    const whole = runFolder(START);
    const broken = runFolder(START);
    rmSync(recordFileOf(broken));
    mkdirSync(recordFileOf(broken));
    const dashboard = await served({ runs: [{ store: whole }, { store: broken }] });
    await eventsUntil(dashboard, isReady, 1);
    const { runs } = JSON.parse((await ask(dashboard, "/api/runs", withToken)).body);
    expect(runs).toEqual([
      { id: "0", name: whole.split("/").at(-1), store: `file://${whole}`, isLive: false, isListed: true, error: null },
      {
        ...{ id: "1", name: broken.split("/").at(-1), store: `file://${broken}`, isLive: false, isListed: true },
        error: {
          code: "VARVE_STORE",
          message: expect.stringMatching(/metrics\.jsonl.*not a file/),
          hint: expect.stringContaining("Move aside"),
        },
      },
    ]);
  });

  test("in an empty folder is ready at once, with no checkpoint", async () => {
    const folder = mkdtempSync(join(tmpdir(), "varve-dashboard-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const events = await eventsUntil(
      await served({ runs: [{ store: folder }] }),
      (so) => checkpointsIn(so) !== undefined,
    );
    expect(checkpointsIn(events)?.checkpoints).toEqual([]);
  });
});

describe("a run that trains in this process", () => {
  test("is told what its log held before, and then every record as it comes, in order", async () => {
    const folder = runFolder(START, generation(1));
    const dashboard = await served({ runs: [{ store: folder, isLive: true }] });
    // What the trainer writes from here on is posted as well, and must not be told twice.
    appendFileSync(recordFileOf(folder), lineOf(generation(2)));
    for (const record of [generation(2), queued(2)]) dashboard.record(record);
    let later: readonly RunRecord[] = [durable(2), committed(2), END];
    const events = await eventsUntil(dashboard, (so) => {
      if (isReady(so)) {
        for (const record of later) dashboard.record(record);
        later = [];
      }
      return recordsIn(so).some(({ event }) => event === "end");
    });
    expect(recordsIn(events).filter(({ event }) => event !== "checkpoints")).toEqual([
      ...[START, generation(1), generation(2), queued(2), durable(2), committed(2), END],
    ]);
    expect(events.filter(({ event }) => event === "ready")).toHaveLength(1);
  });

  test("in memory is shown too, and its readers are told the end when the dashboard closes", async () => {
    const store = await openStore("memory://live");
    const dashboard = await startDashboard({ runs: [{ store, isLive: true }], token: TOKEN });
    onTestFinished(() => dashboard.close());
    dashboard.record(START);
    const events = await eventsUntil(dashboard, (so) => {
      if (isReady(so)) {
        dashboard.record(END);
        void dashboard.close();
      }
      return false;
    });
    expect(recordsIn(events)).toEqual([START, END]);
  });
});

test("no answer holds what a store was opened with, nor does an error of it", async () => {
  const secret = Buffer.from("a-secret-of-this-test").toString("base64");
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=${secret};BlobEndpoint=http://127.0.0.1:1/acc;`;
  const store = await openStore("az://acc/container/run", { connectionString });
  const dashboard = await served({ runs: [{ store }] });
  const bodies: string[] = [];
  await vi.waitFor(
    async () => {
      const { body } = await ask(dashboard, "/api/runs", withToken);
      bodies.push(body);
      expect(JSON.parse(body).runs).toMatchObject([
        { store: "az://acc/container/run", error: { code: "VARVE_STORE" } },
      ]);
    },
    { timeout: 50_000, interval: 200 },
  );
  const events = await eventsUntil(dashboard, isReady);
  for (const path of ["/", "/metrics", "/nothing"]) {
    const { headers, body } = await ask(dashboard, path, withToken);
    bodies.push(body, JSON.stringify(headers));
  }
  const all = bodies.join("\n") + JSON.stringify(events);
  for (const canary of [secret, "a-secret-of-this-test", "AccountKey", TOKEN]) expect(all).not.toContain(canary);
});

test("a dashboard that dies is told once, and whoever goes on telling it things is not harmed", async () => {
  const onLost = vi.fn<(error: Error) => void>();
  const store = await openStore("memory://doomed");
  const dashboard = await startDashboard({ runs: [{ store, isLive: true }], maxMemoryMb: 40, onLost });
  onTestFinished(() => dashboard.close());
  const big: RunRecord = { event: "warning", atMs: 1, message: "x".repeat(100_000) };
  await vi.waitFor(
    () => {
      for (let i = 0; i < 50; i++) dashboard.record(big);
      expect(onLost).toHaveBeenCalled();
    },
    { timeout: 60_000, interval: 20 },
  );
  dashboard.record(big);
  await dashboard.close();
  expect(onLost.mock.calls).toEqual([[expect.objectContaining({ code: "VARVE_DASHBOARD" })]]);
});
