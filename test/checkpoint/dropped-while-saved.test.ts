import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { BufferAttachments } from "../../src/checkpoint/buffer-attachments.ts";
import type { ToSaver } from "../../src/checkpoint/messages.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { type SessionOfTest, startSession } from "./session-of-test.ts";
import { addInline, inlineBuffer } from "./support.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Apart from those that the session gives to a buffer of its own. */
const FIRST_ID = 1000;

/** Saves a buffer, and drops it while that save waits for its last request. @returns what the saver knew it by */
async function dropWhileSaved(session: SessionOfTest, isHeldUp: () => boolean): Promise<WeakRef<object>> {
  const seen: WeakRef<object>[] = [];
  const post = (message: ToSaver): void => {
    if (message.type === "attach") seen.push(new WeakRef(message.description));
    session.handle("id" in message ? { ...message, id: FIRST_ID + message.id } : message);
  };
  const hooks = { maxPinnedBytes: 1e9, canWaitForSaves: false, wait: () => undefined, onPressure: () => undefined };
  const attachments = new BufferAttachments({ ...hooks, post, isRunning: () => true });
  const buffer = inlineBuffer();
  addInline(buffer, 40);
  const { id, snapshot } = attachments.snapshot(buffer);
  const buffers = [{ name: "dropped", id: FIRST_ID + id, snapshot }];
  session.saveThese({ buffers, stateJson: null, tensors: [], logicalBytes: 0 });
  await session.until(isHeldUp);
  // As the registry of dropped buffers tells it, at a moment that is the test's own.
  post({ type: "detach", id });
  return seen[0] as WeakRef<object>;
}

it("a buffer that is dropped while its save is under way is not kept by the saver", async () => {
  const remote = withFaults(createMemoryStore());
  const session = await startSession({ remote });
  remote.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
  const dropped = await dropWhileSaved(session, () => remote.faults.injected.stall > 0);
  remote.faults.release();
  await session.idle();
  // A save of something else: what the last one held is let go of with it.
  session.save();
  await session.idle();
  await expect
    .poll(() => {
      collect();
      return dropped.deref();
    })
    .toBeUndefined();
});
