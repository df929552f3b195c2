import { expect, it } from "vitest";
import { BlockedTime } from "../../src/checkpoint/blocked-time.ts";
import type { WaitedEvent } from "../../src/checkpoint/events.ts";

/** Waits of a training thread whose clock only they move. */
function waits() {
  let nowMs = 0;
  const told: WaitedEvent[] = [];
  const blocked = new BlockedTime({ now: () => 1_000_000 + nowMs, monotonicMs: () => nowMs }, (event) =>
    told.push(event),
  );
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { blocked, told, pass, wait: (ms: number) => blocked.waitForMemory(() => pass(ms)) };
}

it("tells a wait for memory with its begin and its length, when it ends", () => {
  const { told, pass, wait } = waits();
  pass(500);
  wait(200);
  expect(told).toEqual([{ kind: "waited", waitingAtMs: 1_000_500, atMs: 1_000_700, blockedMs: 200, waits: 1 }]);
});

it("tells one wait a second, those between as one, and the last when it is asked for what there was", () => {
  const { blocked, told, pass, wait } = waits();
  for (let count = 0; count < 1000; count++) {
    wait(3);
    pass(7);
  }
  expect(told).toHaveLength(10);
  expect(told[1]).toEqual({ kind: "waited", waitingAtMs: 1_000_010, atMs: 1_001_003, blockedMs: 300, waits: 100 });
  expect(blocked.counts()).toEqual({ blockedMs: 3000, longestBlockMs: 3, memoryWaits: 1000 });
  expect(told.reduce((sum, { blockedMs }) => sum + blockedMs, 0)).toBe(3000);
  blocked.counts();
  expect(told).toHaveLength(11);
});

it("leaves a wait within save() to what is told of the save", () => {
  const { blocked, told, wait } = waits();
  expect(blocked.measure(() => wait(50)).blockedMs).toBe(50);
  expect(blocked.counts()).toEqual({ blockedMs: 50, longestBlockMs: 50, memoryWaits: 1 });
  expect(told).toEqual([]);
});
