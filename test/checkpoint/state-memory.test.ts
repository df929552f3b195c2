import { afterAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type CheckpointEvent, type CheckpointerOptions, MemoryPressureError, type Save } from "../../src/index.ts";
import { type S3Thread, startS3Thread } from "../servers/s3-thread.ts";
import { open } from "./support.ts";

const KIB = 1024;
const REFUSED = { kind: "status", status: 503 } as const;

const servers: S3Thread[] = [];
let server: S3Thread;
beforeEach(async () => {
  server = await startS3Thread();
  servers.push(server);
});
afterAll(() => Promise.all(servers.map((each) => each.close())));

async function openRefused(options: Partial<CheckpointerOptions>) {
  const events: CheckpointEvent[] = [];
  const log = (event: CheckpointEvent): void => void events.push(event);
  const limits = { maxPinnedBytes: 1024 * KIB, onBacklog: "queue" } as const;
  const checkpointer = await open({ store: server.url, log, ...limits, ...options });
  // Registered last, it runs first: what is left over must not wait for a store that refuses.
  onTestFinished(() => server.always(null));
  await server.always(REFUSED);
  const state = new Float32Array((256 * KIB) / 4);
  const save = (step: number): Save => checkpointer.save({ step, state: { weights: state.fill(step) } });
  return { checkpointer, events, save };
}

const outcomes = async (saves: readonly Save[]): Promise<string[]> =>
  (await Promise.allSettled(saves.map(({ committed }) => committed))).map((outcome) => {
    if (outcome.status === "fulfilled") return "committed";
    return outcome.reason instanceof MemoryPressureError ? "given up" : (outcome.reason as { code: string }).code;
  });

describe("copied state of saves that wait for a store that refuses", () => {
  it("is limited: save() says so and waits until the oldest fails, and all of it is shown", async () => {
    const retry = { attempts: 3, baseDelayMs: 100, maxDelayMs: 100 };
    const { checkpointer, events, save } = await openRefused({ retry });
    const saves: Save[] = [];
    for (let step = 1; step <= 12; step++) {
      saves.push(save(step));
      expect(checkpointer.status().heldStateBytes).toBeLessThanOrEqual(1024 * KIB + 260 * KIB);
    }
    const { memoryWaits, blockedMs, longestBlockMs, failed } = checkpointer.status();
    expect(memoryWaits).toBeGreaterThanOrEqual(7);
    expect(failed).toBeGreaterThanOrEqual(7);
    // A wait within save() counts once.
    expect(blockedMs).toBeCloseTo(saves.reduce((sum, each) => sum + each.blockedMs, 0));
    expect(longestBlockMs).toBe(Math.max(...saves.map((each) => each.blockedMs)));
    const kinds = events.filter(({ kind }) => kind === "warning" || kind === "queued").map(({ kind }) => kind);
    expect(kinds.slice(0, 6)).toEqual(["queued", "queued", "queued", "queued", "warning", "queued"]);
    expect(events.find(({ kind }) => kind === "warning")).toMatchObject({
      message: expect.stringMatching(/save\(\) waits for memory: 4 saves .* maxPinnedBytes is 1048576/),
    });
    await server.always(null);
    expect((await outcomes(saves.slice(-1)))[0]).toBe("committed");
    expect(checkpointer.status().heldStateBytes).toBe(0);
  });

  it("is limited: the oldest that waits is given up, and the one under way is not", async () => {
    const { checkpointer, save } = await openRefused({ onMemoryPressure: "abandon", retry: { baseDelayMs: 50 } });
    const saves: Save[] = [];
    for (let step = 1; step <= 12; step++) {
      saves.push(save(step));
      while (checkpointer.status().current === null) await new Promise(setImmediate);
    }
    expect(checkpointer.status().failed).toBe(8);
    await server.always(null);
    expect(await outcomes(saves)).toEqual([
      "committed",
      ...Array.from({ length: 8 }, () => "given up"),
      ...Array.from({ length: 3 }, () => "committed"),
    ]);
    expect(checkpointer.status().lastError?.message).toContain("of copied state, the limit is 1048576");
  });

  it("holds no one up where a newer save replaces the one that waits, however large it is", async () => {
    const { checkpointer, save } = await openRefused({ onBacklog: "coalesce", maxPinnedBytes: 64 * KIB });
    const saves = Array.from({ length: 10 }, (_, index) => save(index + 1));
    await server.always(null);
    expect((await outcomes(saves)).at(-1)).toBe("committed");
    expect(checkpointer.status()).toMatchObject({ failed: 0, heldStateBytes: 0 });
  });
});
