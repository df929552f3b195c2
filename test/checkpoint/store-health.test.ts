import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { sequencesIn, startSession } from "./session-of-test.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
const mayNot = (operation: string) => (): StoreError => new StoreError("permission", operation, "x", "HTTP 403");

/** One tier at a cloud's URL, so that opening tries create-if-absent as it does there. */
function cloud() {
  return withFaults(Object.assign(createMemoryStore(), { url: "s3://bucket/run" }));
}

describe("one tier whose credentials may not delete", () => {
  it.each([
    ["without retention", null],
    ["with retention", 2],
  ])("makes every save, in order, and says goodbye: %s", async (_, keepLast) => {
    const remote = cloud();
    remote.faults.add({ kind: "reject", method: "delete", error: mayNot("delete"), ...forEver });
    const retention = { keepLast, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
    const session = await startSession({ remote, retention });
    const saves = Array.from({ length: 8 }, () => session.save());
    await session.call({ method: "close" });
    expect(saves.map((save) => session.fateOf(save))).toEqual(saves.map(() => ["durable", "committed"]));
    expect(await sequencesIn(remote)).toEqual(saves);
    expect([session.told("degraded"), session.told("recovered"), session.status.get("isDegraded")]).toEqual([
      [],
      [],
      0,
    ]);
    expect((await Array.fromAsync(remote.list("writers/"))).map(({ name }) => name)).toContain(
      "writers/00000001.closed",
    );
    const warnings = session.told("warning");
    expect(warnings.length > 0).toBe(keepLast !== null);
  });

  it("counts as well while only reading for somebody else is refused", async () => {
    const remote = cloud();
    const session = await startSession({ remote });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "reject", method: "get", name: /^packs/, error: mayNot("get"), ...forEver });
    await session.call({ method: "verify", readData: true }).catch(() => undefined);
    expect([session.told("degraded"), session.status.get("isDegraded")]).toEqual([[], 0]);
    const next = session.save();
    await session.idle();
    expect(session.fateOf(next)).toEqual(["durable", "committed"]);
  });
});

describe("one tier that went away while nothing is being saved", () => {
  const offline = (): StoreError => new StoreError("network", "put", "x", "ECONNREFUSED");
  const callsOf = ({ faults }: ReturnType<typeof cloud>): number =>
    Object.values(faults.calls).reduce((sum, calls) => sum + calls, 0);

  async function awayWith(error: () => StoreError, method?: "put") {
    const remote = cloud();
    const session = await startSession({ remote });
    remote.faults.add({ kind: "reject", method, error, ...forEver });
    session.save();
    await session.time.advance(400_000);
    await session.idle();
    expect(session.status.get("isDegraded")).toBe(1);
    return { remote, session };
  }

  it.each([
    ["refused writes", mayNot("put"), "put"],
    ["no network", offline, undefined],
  ] as const)("is asked again every minute at most, and is well by itself: %s", async (_, error, method) => {
    const { remote, session } = await awayWith(error, method);
    const before = callsOf(remote);
    await session.time.advance(600_000);
    await session.idle();
    const asked = callsOf(remote) - before;
    expect([asked >= 9, asked <= 20]).toEqual([true, true]);
    expect([session.status.get("isDegraded"), session.told("degraded").length]).toEqual([1, 1]);
    remote.faults.release();
    await session.time.advance(61_000);
    await session.idle();
    expect([session.status.get("isDegraded"), session.told("recovered").length]).toEqual([0, 1]);
    // It leaves nothing there, and asks no more.
    expect(await Array.fromAsync(remote.list("probe/"))).toEqual([]);
    const after = callsOf(remote);
    await session.time.advance(600_000);
    expect(callsOf(remote)).toBe(after);
  });

  it("is asked no more once the run is closed", async () => {
    const { remote, session } = await awayWith(mayNot("put"), "put");
    await session.call({ method: "close" });
    const after = callsOf(remote);
    await session.time.advance(600_000);
    expect(callsOf(remote)).toBe(after);
  });
});
