import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { folderWith, QUICK, runVarve, startVarve } from "../cli/run-varve.ts";
import { ask, eventsUntil, recordsIn, TOKEN, withToken } from "./served.ts";

async function takenPort(): Promise<number> {
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await new Promise((resolve) => other.once("listening", resolve));
  return (other.address() as AddressInfo).port;
}

/** Starts `varve` and reads the address that it prints. */
async function startAndRead(args: readonly string[], options: Parameters<typeof startVarve>[1]) {
  const varve = startVarve(args, options);
  let printed = "";
  for (const stream of [varve.child.stdout, varve.child.stderr]) {
    stream?.on("data", (text: string) => {
      printed += text;
    });
  }
  await varve.saw("/?token=");
  const [, port = "", token = ""] = ADDRESS.exec(printed) ?? [];
  return { ...varve, port: Number(port), headers: { authorization: `Bearer ${token}` } };
}

const ADDRESS = /http:\/\/127\.0\.0\.1:(\d+)\/\?token=([\w-]+)/;

test("a run that trains with --dashboard is followed from its start to its end, and ends as without", async () => {
  const cwd = folderWith(QUICK);
  const args = ["train", "--dashboard", "--generations", "40", "--store", "run", "--quiet"];
  const { port, headers, finished } = await startAndRead(args, { cwd });
  const runs = await ask({ port }, "/api/runs", headers);
  expect(JSON.parse(runs.body)).toMatchObject({ runs: [{ id: "0", name: "run", isLive: true, error: null }] });
  const events = await eventsUntil({ url: `http://127.0.0.1:${port}/` }, () => false, 0, headers);
  const { code } = await finished;
  const told = recordsIn(events);
  const generations = told.flatMap((record) => (record.event === "generation" ? [record.generation] : []));
  expect(generations).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect(told.filter(({ event }) => event === "durable")).toHaveLength(40);
  expect(told.map(({ event }) => event)).toEqual(expect.arrayContaining(["start", "queued", "committed", "end"]));
  expect(told.findLast(({ event }) => event === "status")).toMatchObject({ status: { completed: 40, pending: 0 } });
  expect(code).toBe(0);
});

test("a port that is taken is told with the next step, and training goes on", async () => {
  const port = await takenPort();
  const args = ["train", "--dashboard", String(port), "--generations", "1", "--json"];
  const { code, stdout, stderr } = await runVarve(args, { cwd: folderWith(QUICK) });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ finished: true, checkpoints: 1 });
  expect(stderr).toContain(`127.0.0.1:${port}: another program has that port`);
  expect(stderr).toContain("Name another port, or 0 for any that is free.\n  Training goes on without a dashboard.");
});

test("the configuration file can ask for it, and --dashboard wins; nonsense is refused", async () => {
  const cwd = folderWith({ ...QUICK, dashboard: true });
  const { stdout } = await runVarve(["train", "--generations", "1"], { cwd });
  expect(stdout).toMatch(ADDRESS);
  const wrong = await runVarve(["train"], { cwd: folderWith({ ...QUICK, dashboard: 70_000 }) });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("dashboard")]);
  const flag = await runVarve(["train", "--dashboard", "pendulum"], { cwd });
  expect([flag.code, flag.stderr]).toEqual([2, expect.stringContaining('got "pendulum"')]);
});

test("varve dashboard serves several runs, and ends with 0 at Ctrl-C", async () => {
  const cwd = folderWith(QUICK);
  for (const store of ["one", "two"]) await runVarve(["train", "--generations", "1", "--store", store], { cwd });
  const env = { VARVE_DASHBOARD_TOKEN: TOKEN };
  const { port, headers, child, finished } = await startAndRead(["dashboard", "one", "two", "--json"], { cwd, env });
  expect(headers).toEqual(withToken);
  const { body } = await ask({ port }, "/api/runs", headers);
  expect(JSON.parse(body)).toMatchObject({
    runs: [
      { name: "one", isLive: false },
      { name: "two", isLive: false },
    ],
  });
  child.kill("SIGINT");
  const { code, stdout } = await finished;
  expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ host: "127.0.0.1", port, token: TOKEN })]);
});

test("varve dashboard without what it needs is an error that says so", async () => {
  const cwd = folderWith(QUICK);
  const absent = await runVarve(["dashboard", "rnu"], { cwd });
  expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining("There is no run at rnu")]);
  const two = await runVarve(["dashboard", ".", ".", "--local", "."], { cwd });
  expect([two.code, two.stderr]).toEqual([2, expect.stringContaining("--local")]);
  const taken = await runVarve(["dashboard", ".", "--port", String(await takenPort())], { cwd });
  expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("another program has that port")]);
  const weak = await runVarve(["dashboard", ".", "--token", "hunter2"], { cwd });
  expect([weak.code, weak.stderr]).toEqual([2, expect.not.stringContaining("hunter2")]);
});
