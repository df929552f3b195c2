import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { startSession } from "./session-of-test.ts";

const forEver = { times: Number.POSITIVE_INFINITY };

describe.each(["one tier", "two tiers"] as const)("the end of a run on a slow line, %s", (place) => {
  async function uploading() {
    const remote = withFaults(createMemoryStore());
    const line = { bytes: 0 };
    const localStore = place === "one tier" ? undefined : createMemoryStore();
    const settings = { remote: Object.assign(remote, { movedBytes: () => line.bytes }), localStore };
    const session = await startSession({ ...settings, closeTimeoutMs: 1000 });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", method: "put", name: /^packs/, ...forEver });
    const save = session.save();
    await session.until(() => remote.faults.injected.stall > 0);
    let isClosed = false;
    const closed = session.call({ method: "close" }).then(() => (isClosed = true));
    return { remote, line, session, save, closed, isClosed: () => isClosed };
  }

  it("waits while bytes move, however long, and for nothing that stands still", async () => {
    const { remote, line, session, save, closed, isClosed } = await uploading();
    for (let second = 0; second < 60; second++) {
      line.bytes += 1000;
      await session.time.advance(500);
    }
    expect(isClosed()).toBe(false);
    expect(session.fateOf(save).filter((fate) => /ailed/.test(fate))).toEqual([]);
    for (let second = 0; second < 5; second++) await session.time.advance(1000);
    await closed;
    expect(session.fateOf(save).at(-1)).toMatch(/ailed/);
    remote.faults.release();
  });

  it("makes the save once the line is through", async () => {
    const { remote, line, session, save, closed } = await uploading();
    for (let second = 0; second < 60; second++) {
      line.bytes += 1000;
      await session.time.advance(500);
    }
    remote.faults.release();
    await closed;
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
  });
});
