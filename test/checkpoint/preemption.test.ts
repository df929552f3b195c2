import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { Checkpointer, InvalidArgumentError, StoreError } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import { runFixture } from "./run-fixture.ts";
import { startSession } from "./session-of-test.ts";
import { open } from "./support.ts";

const fixture = join(import.meta.dirname, "fixtures", "preempted.ts");

function start(...args: readonly string[]): { child: ChildProcess; lines: AsyncIterator<string> } {
  const child = spawn(process.execPath, [fixture, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  if (child.stdout === null) throw new Error("a pipe was asked for");
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

async function next(lines: AsyncIterator<string>): Promise<Record<string, unknown>> {
  const { value } = await lines.next();
  return JSON.parse(value as string) as Record<string, unknown>;
}

const folder = (): string => join(mkdtempSync(join(tmpdir(), "varve-preempted-")), "run");

describe("SIGTERM, with saveOnPreemption", () => {
  it("saves at once, once, and the loop hears of it", async () => {
    const [store, local] = [folder(), folder()];
    const { child, lines } = start(store, local);
    expect(await next(lines)).toEqual({ ready: true });
    child.kill("SIGTERM");
    const { step } = await next(lines);
    expect(await next(lines)).toEqual({ closed: true });
    await once(child, "exit");
    expect(child.exitCode).toBe(0);
    for (const place of [store, local]) {
      const checkpointer = await open({ store: place, readOnly: true });
      const found = await checkpointer.list();
      expect(found).toHaveLength(1);
      const restored = await checkpointer.restore();
      expect(restored?.state).toEqual({ step: restored?.step });
      expect(restored?.step).toBeGreaterThan(0);
      expect(restored?.step).toBeLessThanOrEqual(step as number);
    }
  });

  it("loses no save on local disk when its time is over before the loop ends, nor one of a later run", async () => {
    const { child, lines } = start(folder(), "", "late");
    expect(await next(lines)).toEqual({ ready: true });
    child.kill("SIGTERM");
    expect(await next(lines)).toHaveProperty("step");
    for (let run = 0; run < 2; run++) expect(await next(lines)).toMatchObject({ failed: 0, pending: 0 });
    expect(await next(lines)).toEqual({ closed: true });
  });

  it("limits an end that is under way, also where the store answers", async () => {
    const { code, output } = await runFixture("preempted-while-closing.ts");
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ warnings: [expect.stringMatching(/SIGTERM has come/)] });
  });

  it("makes the newest save next where saves wait for the only store", async () => {
    const { code, output, errors } = await runFixture("preempted-behind.ts");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(JSON.parse(output)).toEqual({ steps: [1, 2, 5], failed: 0, replaced: 2 });
  });

  it("ends the process when it comes again, as it does where nobody listens", async () => {
    const { child, lines } = start(folder(), "", "deaf");
    expect(await next(lines)).toEqual({ ready: true });
    const ended = once(child, "exit");
    // The first may be one that is not heard yet when the next comes: then that one is the first.
    while (child.signalCode === null && child.exitCode === null) {
      child.kill("SIGTERM");
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    expect(child.signalCode).toBe("SIGTERM");
  });

  it("tells where there is nothing that could be saved, and harms nothing", async () => {
    const { child, lines } = start(folder(), "", "throws");
    expect(await next(lines)).toEqual({ ready: true });
    child.kill("SIGTERM");
    expect(await next(lines)).toEqual({ warning: "nothing was saved on SIGTERM: nothing to save yet" });
    expect(await next(lines)).toHaveProperty("step");
    expect(await next(lines)).toEqual({ closed: true });
  });

  it("asks every run, whatever the function of another one does", async () => {
    const { code, output, errors } = await runFixture("preempted-listeners.ts");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    const isAsync = [expect.stringMatching(/^nothing was saved on SIGTERM: .*must not be async/)];
    expect(JSON.parse(output)).toEqual({
      warnings: [
        ["nothing was saved on SIGTERM: null"],
        ["nothing was saved on SIGTERM: nothing yet"],
        ...[isAsync, isAsync],
        [expect.stringMatching(/^nothing was saved on SIGTERM: .*an object with `step`/)],
        [],
      ],
      succeeded: [0, 0, 0, 0, 0, 1],
    });
  });

  it("is refused where nothing can be saved", async () => {
    const asked = { store: "memory://preemption", saveOnPreemption: () => null };
    await expect(Checkpointer.open({ ...asked, readOnly: true })).rejects.toBeInstanceOf(InvalidArgumentError);
    const wrong = { ...asked, saveOnPreemption: 5 as never };
    await expect(Checkpointer.open(wrong)).rejects.toThrow(/Expected `saveOnPreemption` to be a function/);
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });
});

describe("a run that is told that its machine goes away", () => {
  it("sends the newest checkpoint first", async () => {
    for (const hurried of [false, true]) {
      const recorded = withRecording(createMemoryStore());
      const remote = withFaults(recorded);
      const session = await startSession({ remote, localStore: createMemoryStore() });
      session.save();
      await session.idle();
      const error = (): StoreError => new StoreError("permission", "put", "x", "HTTP 403");
      remote.faults.add({ kind: "reject", error, times: Number.POSITIVE_INFINITY });
      for (let round = 0; round < 3; round++) {
        const save = session.save();
        await session.until(() => session.fateOf(save).includes("commitFailed"));
      }
      remote.faults.release();
      if (hurried) await session.call({ method: "hurry" });
      await session.time.advance(60_000);
      await session.idle();
      const committed = recorded.operations.filter(
        ({ method, name }) => method === "put" && name.startsWith("checkpoints/"),
      );
      const order = committed.map(({ name }) => Number(/(\d+)\.json$/.exec(name)?.[1]));
      expect(order).toEqual(hurried ? [1, 4, 3, 2] : [1, 2, 3, 4]);
    }
  });
});
