import { describe, expect, it } from "vitest";
import { checkpointRows } from "../../../src/dashboard/page/checkpoint-rows.ts";
import { checkpoint, committed, durable, failed, modelOf, nameOf, queued, start } from "./records.ts";

describe("the rows of checkpoints", () => {
  it("say how long a save took and what it wrote, newest first", () => {
    const model = modelOf(
      ...[start(0), queued(1, 1000), durable(1, 1060), committed(1, 1500, 1100)],
      ...[queued(2, 2000), durable(2, 2060)],
    );
    expect(checkpointRows(model, false)).toMatchObject([
      { sequence: 2, step: 10, state: "durable", toDurableMs: 60, toCommittedMs: null, isComplete: null },
      { sequence: 1, step: 5, state: "committed", newBytes: 4000, storedBytes: 9000, toCommittedMs: 500.5 },
    ]);
  });

  it("join what the store lists, with what is damaged", () => {
    const model = modelOf(...[start(0), queued(1, 1000), durable(1, 1060), committed(1, 1500, null)], {
      event: "checkpoints",
      atMs: 3000,
      checkpoints: [checkpoint(1), checkpoint(9, { problem: "a pack is missing" })],
    });
    expect(checkpointRows(model, false)).toMatchObject([
      { sequence: 9, state: "damaged", isComplete: false, reason: "a pack is missing", newBytes: null },
      { sequence: 1, state: "committed", isComplete: true, newBytes: 4000 },
    ]);
  });

  it("tell what retention removed from what the store was not asked for yet", () => {
    const model = modelOf(
      ...[start(0), queued(1, 1000), durable(1, 1060), committed(1, 1500, null)],
      { event: "checkpoints", atMs: 2000, checkpoints: [checkpoint(5)] },
      ...[queued(6, 2100), durable(6, 2160), committed(6, 2500, null)],
    );
    const stateBySequence = Object.fromEntries(checkpointRows(model, false).map((row) => [row.sequence, row.state]));
    expect(stateBySequence).toEqual({ 1: "removed", 5: "stored", 6: "committed" });
  });

  it("show parents, and where a run branched", () => {
    const model = modelOf({
      event: "checkpoints",
      atMs: 1,
      checkpoints: [
        checkpoint(2, { parent: nameOf(1) }),
        checkpoint(3, { parent: nameOf(2) }),
        checkpoint(4, { parent: nameOf(2) }),
      ],
    });
    expect(checkpointRows(model, true)).toMatchObject([
      { sequence: 4, parent: 2, branches: [] },
      { sequence: 3, parent: 2, branches: [] },
      { sequence: 2, parent: 1, branches: [3, 4] },
    ]);
  });

  it("say why a save failed, and which never finished", () => {
    const model = modelOf(start(0), queued(1, 1000), failed(1, 1100), queued(2, 2000));
    expect(checkpointRows(model, true)).toMatchObject([
      { sequence: 2, state: "lost" },
      { sequence: 1, state: "failed", reason: "refused" },
    ]);
  });
});
