import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLocalStore } from "../../src/store/local.ts";
import { runFixture } from "./run-fixture.ts";
import { stateOf } from "./session-of-test.ts";
import { open, temporaryFolder } from "./support.ts";

describe("the training thread", () => {
  it("loads no SDK for a cloud store, and is told no secret of it", async () => {
    const { code, output, errors: printed } = await runFixture("no-sdk.ts");
    expect([code, printed]).toEqual([0, ""]);
    const { seen, told } = JSON.parse(output) as { seen: string[]; told: string[] };
    expect(seen).toEqual([]);
    const errors = told.filter((text) => text.includes('"code":"VARVE_STORE"') && !text.includes('"kind":"degraded"'));
    expect(errors).toHaveLength(2);
    expect(told.join()).not.toMatch(/Y2FuYXJ5c2VjcmV0|AccountKey/);
  });

  it("sees in shared memory what is sent, and is not kept alive by a store that is away", async () => {
    const folder = await temporaryFolder();
    const { code, output, errors } = await runFixture("store-goes-away.ts", folder);
    expect([code, errors]).toEqual([0, ""]);
    const lines = output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toEqual([
      { put: expect.any(Number), bytesUp: expect.any(Number), behind: 0, behindBytes: 0, waiting: 0 },
      { event: "degraded", behind: 1 },
      { rejected: true, phase: "durable" },
      { isDegraded: true, behind: 1, failed: 0 },
    ]);
    expect(lines[0]?.["put"]).toBeGreaterThanOrEqual(4);
    expect(lines[0]?.["bytesUp"]).toBeGreaterThan(500);
    // What stayed behind is sent by whoever opens the run next.
    await rm(join(folder, "store"));
    await rename(join(folder, "away"), join(folder, "store"));
    const next = await open({ store: join(folder, "store"), local: join(folder, "local") });
    await next.sync();
    expect(await stateOf(createLocalStore(join(folder, "store")))).toMatchObject({
      checkpoints: [1, 2].map((sequence) => `checkpoints/00000001-00000000000${sequence}.json`),
      isIntact: true,
    });
  });
});
