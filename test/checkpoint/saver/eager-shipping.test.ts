import { expect, it } from "vitest";
import { EndGate } from "../../../src/base/end-gate.ts";
import { AttachedBuffer } from "../../../src/checkpoint/saver/attached-buffer.ts";
import { CoverageBook } from "../../../src/checkpoint/saver/coverage-book.ts";
import { EagerShipping } from "../../../src/checkpoint/saver/eager-shipping.ts";
import { encodeItem } from "../../../src/checkpoint/saver/encode.ts";
import { Encoder } from "../../../src/checkpoint/saver/encoder.ts";
import { MemoryPressure } from "../../../src/checkpoint/saver/memory-pressure.ts";
import { PackAssembler } from "../../../src/checkpoint/saver/pack-assembler.ts";
import { SharedStatus } from "../../../src/checkpoint/shared-status.ts";
import { parseFields } from "../../../src/schema/fields.ts";
import { layOut } from "../../../src/schema/layouts.ts";

const fields = parseFields({ observation: { dtype: "uint8", shape: [64] }, action: { dtype: "int32", shape: [] } });
const [layout] = layOut(fields, 1000);

/** Encodes when it is told to. */
class SlowEncoder extends Encoder {
  readonly begun = Promise.withResolvers<void>();
  readonly mayEnd = Promise.withResolvers<void>();

  override async encodeAll(...[items, onItem]: Parameters<Encoder["encodeAll"]>): Promise<void> {
    for (const item of items) {
      this.begun.resolve();
      await this.mayEnd.promise;
      await onItem(item, [...encodeItem(item)]);
    }
  }
}

it("lets go of a full block whose memory training asks for while it is encoded, and no pack has room", async () => {
  if (layout === undefined) throw new Error("no layout");
  const status = new SharedStatus();
  const eager = new EagerShipping();
  const pressure = new MemoryPressure(status, 1024, { onPinned: () => eager.drop(), onHeld: () => undefined });
  const room = Promise.withResolvers<{ stored: Promise<void> }>();
  const assembler = new PackAssembler(1, { write: () => room.promise }, () => undefined);
  const big = new Uint8Array(9 * 1024 * 1024);
  const content = { kind: "tensor", sha256: "0".repeat(64) } as const;
  const tensor = {
    content,
    dtype: "uint8",
    shape: [big.length],
    codecs: [],
    rawBytes: big.length,
    crc32c: 0,
    bytes: big,
  };
  void assembler.add("state", [tensor as never]);

  const released = new Int32Array(new SharedArrayBuffer(4));
  const description = {
    incarnation: "first",
    capacity: 1000,
    fields: fields.declaration,
    logs: [layout],
    prioritized: null,
  };
  const memory = new SharedArrayBuffer(layout.blockBytes);
  const attached = new AttachedBuffer({
    ...{ type: "attach", id: 1, description },
    ...{ released, captured: new Int32Array(new SharedArrayBuffer(4)) },
    blocks: [
      { kind: "memory", log: 0, block: 0, memory },
      { kind: "opened", log: 0, segment: 0, block: 0 },
    ],
  });
  eager.noteSave([{ name: "default", attached, bounds: [{ tail: 0, head: 0 }] }]);
  attached.handle({ kind: "full", log: 0, segment: 0, number: 1 });
  eager.offer(attached, 0, 0, 1);

  const encoder = new SlowEncoder(() => undefined, new EndGate());
  await pressure.during(async () => {
    const shipped = eager.shipOne(new CoverageBook(), encoder, assembler, pressure);
    await encoder.begun.promise;
    // Training asks, and sleeps until something is released.
    status.abandonUpTo(5, 4096);
    await new Promise((resolve) => setTimeout(resolve, 50));
    encoder.mayEnd.resolve();
    await expect(shipped).rejects.toMatchObject({ code: "VARVE_MEMORY_PRESSURE" });
  });
  expect(Atomics.load(released, 0)).toBe(1);
  room.resolve({ stored: Promise.resolve() });
});
