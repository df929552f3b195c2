import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Checkpointer, CloudSync } from "../../../src/index.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { runFixture } from "../run-fixture.ts";

/** Of every thread of this process that is a saver. */
function nicenessOfSavers(): readonly number[] {
  return readdirSync("/proc/self/task").flatMap((id) => {
    const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/self/task/${id}/stat`, "utf8")) ?? [];
    return name === "varve-saver" ? [Number(rest?.split(" ")[16])] : [];
  });
}

describe.runIf(process.platform === "linux")("the thread that works beside training", () => {
  it("leaves a busy core to it where it moves files, and does not where it saves checkpoints", async () => {
    const before = nicenessOfSavers();
    const checkpointer = await Checkpointer.open({ store: createMemoryStore(), log: false });
    onTestFinished(async () => void (await checkpointer.close()));
    await checkpointer.save({ step: 1, state: {} }).durable;
    expect([before, nicenessOfSavers()]).toEqual([[], [0]]);
    const bucket = mkdtempSync(join(tmpdir(), "varve-priority-"));
    const cloud = new CloudSync({ provider: "local", bucket, log: false });
    onTestFinished(async () => void (await cloud.shutdown()));
    await cloud.fileExists("nothing");
    expect(nicenessOfSavers().toSorted((a, b) => a - b)).toEqual([0, 10]);
  });

  it("does not lower the threads that the whole process has for its files", async () => {
    const { output, errors } = await runFixture("pool-priority.ts");
    expect(errors).toBe("");
    const { before, pool, saver } = JSON.parse(output) as { before: number; pool: number[]; saver: number };
    // Had somebody else started the pool before, nothing would be shown.
    expect([before, saver]).toEqual([0, 10]);
    expect(new Set(pool)).toEqual(new Set([0]));
  });
});
