import { setTimeout } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { PriorityCapture } from "../../src/checkpoint/saver/priority-captures.ts";
import { stateHash } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { startSession } from "./session-of-test.ts";
import { addInline, inlineBuffer, numbersFrom, open, temporaryFolder } from "./support.ts";

it("saves the priorities of its own snapshot while later saves arrive and take memory that was given back", async () => {
  const checkpointer = await open({ store: await temporaryFolder(), onBacklog: "queue" });
  const buffer = inlineBuffer({ prioritized: {} });
  addInline(buffer, 64);
  // So much that another thread encodes it, and the saver hears of the next save before it comes to the priorities.
  const weights = new Float32Array(1 << 20).map((_, i) => Math.sin(i * 12.9898));
  await checkpointer.save({ step: 0, buffer }).committed;
  const saves = [];
  for (let step = 1; step < 25; step++) {
    buffer.updatePriorities(numbersFrom(0, 64), numbersFrom(step, step + 64));
    weights.fill(step, 0, 1 + step);
    for (let i = step; i < weights.length; i += 4096) weights[i] = -step;
    const hash = stateHash({ buffer });
    saves.push({ step, hash, committed: checkpointer.save({ step, buffer, state: { weights } }).committed });
    await setTimeout(4);
    if (step % 3 === 0) await saves.at(-3)?.committed;
  }
  await checkpointer.waitUntilFinished();
  for (const { step, hash } of saves) {
    const copy = inlineBuffer({ prioritized: {} });
    await checkpointer.restore({ step, buffer: copy });
    expect(stateHash({ buffer: copy }), `step ${step}`).toBe(hash);
  }
});

it("captures priorities in the memory of the save before, once that is made", async () => {
  const fill = vi.spyOn(PriorityCapture.prototype, "fill");
  onTestFinished(() => fill.mockRestore());
  const session = await startSession({ remote: createMemoryStore() });
  for (let save = 0; save < 5; save++) {
    session.save();
    await session.idle();
  }
  expect(fill).toHaveBeenCalledTimes(5);
  expect(new Set(fill.mock.contexts).size).toBe(1);
});
