import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/base/hash.ts";
import { PackWriter } from "../../../src/checkpoint/saver/pack-writer.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { TransferQueue } from "../../../src/transfer/transfer-queue.ts";

const pack = (): Uint8Array => new Uint8Array(100_000).fill(7);
const NAME = `packs/1-${sha256Hex(pack())}.pack`;

describe("the memory of a pack", () => {
  it("is given back when the store has taken it, and kept where it answers that it has it already", async () => {
    const writer = new PackWriter(createMemoryStore(), new TransferQueue());
    const [first, second] = [pack(), pack()];
    await (await writer.write(NAME, first, "rows")).stored;
    expect(first.length).toBe(0);
    // The answer may have come before the last byte was read: a socket may still be reading it.
    await (await writer.write(NAME, second, "rows")).stored;
    expect(second).toEqual(pack());
  });

  it("is kept where the store holds other bytes under the name", async () => {
    const store = createMemoryStore();
    await store.put(NAME, Uint8Array.of(1));
    const bytes = pack();
    const { stored } = await new PackWriter(store, new TransferQueue()).write(NAME, bytes, "rows");
    await expect(stored).rejects.toMatchObject({ code: "VARVE_CORRUPT", message: expect.stringContaining(NAME) });
    expect(bytes).toEqual(pack());
  });
});
