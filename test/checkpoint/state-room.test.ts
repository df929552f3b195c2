import { expect, it } from "vitest";
import { MAX_HOLDS, SharedStatus } from "../../src/checkpoint/shared-status.ts";
import { type Hold, StateBudget } from "../../src/checkpoint/state-budget.ts";
import { StateRoom } from "../../src/checkpoint/state-room.ts";

/** Saves without state, one after the other, of which the saver makes one whenever training waits. */
function crowd(maxBytes: number) {
  const status = new SharedStatus();
  const budget = new StateBudget(status, { maxBytes, alwaysAdmitted: 2 }, () => undefined);
  const warnings: string[] = [];
  const open: Hold[] = [];
  const room = new StateRoom({
    ...{ status, onBacklog: "queue", onMemoryPressure: "wait", maxBytes, canWait: true, isRunning: () => true },
    wait: (isDone) => {
      while (!isDone()) {
        const oldest = open.shift();
        if (oldest !== undefined) budget.giveBack(oldest);
      }
    },
    warn: (message) => warnings.push(message),
  });
  const save = (sequence: number, bytes: number): void => {
    if (!budget.hasRoom(bytes)) room.make(budget, bytes);
    open.push(budget.take(sequence, bytes));
  };
  return { status, warnings, save };
}

it(`says that ${MAX_HOLDS} saves wait, which is the limit, and not that memory is short`, () => {
  const { warnings, save } = crowd(256 * 1024 * 1024);
  for (let sequence = 1; sequence <= MAX_HOLDS + 5; sequence++) save(sequence, 20);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^save\(\) waits: 1024 saves are not made yet, the most that may wait;/);
  expect(warnings[0]).not.toContain("maxPinnedBytes");
});

it("tells a limit that goes on ever more seldom, and another reason at once", () => {
  const { status, warnings, save } = crowd(1_000_000);
  for (let sequence = 1; sequence <= 500; sequence++) save(sequence, 300_000);
  expect(warnings.length).toBeLessThan(5);
  for (const warning of warnings)
    expect(warning).toMatch(/waits for memory: .* maxPinnedBytes is 1000000; the store takes/);
  const before = warnings.length;
  status.set("isDegraded", 1);
  for (let sequence = 501; sequence <= 505; sequence++) save(sequence, 300_000);
  expect(warnings.slice(before)).toMatchObject([expect.stringContaining("the store is away")]);
});
