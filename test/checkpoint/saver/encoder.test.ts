import type { Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { EndGate } from "../../../src/base/end-gate.ts";
import { ENCODER_THREAD } from "../../../src/checkpoint/messages.ts";
import type { ToEncode } from "../../../src/checkpoint/saver/encode.ts";
import { Encoder } from "../../../src/checkpoint/saver/encoder.ts";
import { SaverCrashedError } from "../../../src/errors.ts";

const tensor: ToEncode = {
  ...{ kind: "tensor", sha256: "00", dtype: "uint8", length: 1000 },
  ...{ memory: new SharedArrayBuffer(1000), byteOffset: 0 },
};

/** An encoder whose thread does everything, and that thread. */
function startEncoder() {
  const threads: Worker[] = [];
  const listener = (worker: Worker): void => void threads.push(worker);
  process.on("worker", listener);
  onTestFinished(() => void process.off("worker", listener));
  const gate = new EndGate();
  const encoder = new Encoder(() => undefined, gate);
  onTestFinished(() => encoder.close());
  let encoded = 0;
  const encode = (items: number): Promise<void> =>
    encoder.encodeAll(
      Array.from({ length: items }, () => tensor),
      async () => void encoded++,
      0,
    );
  return { encoder, gate, threads, encode, count: () => encoded };
}

it("closes only when what is being encoded is done", async () => {
  const { encoder, encode, count } = startEncoder();
  const encoded = encode(1);
  await encoder.close();
  await encoded;
  expect(count()).toBe(1);
});

it("has another thread after one that died, and a quiet gate", async () => {
  const { gate, threads, encode, count } = startEncoder();
  await encode(2);
  const lost = encode(1);
  // As if it died inside.
  Atomics.store(new Int32Array(gate.memory), 1 + ENCODER_THREAD, 1);
  void threads[0]?.terminate();
  await expect(lost).rejects.toBeInstanceOf(SaverCrashedError);
  expect(gate.isQuiet).toBe(true);
  await encode(1);
  expect(count()).toBe(3);
});

it("is held back where its gate is closed", async () => {
  const { encoder, gate, threads, encode, count } = startEncoder();
  await encode(1);
  gate.close();
  const lost = encode(1);
  const waiting = (): number => Atomics.notify(new Int32Array(gate.memory), 0);
  await expect.poll(waiting, { timeout: 30_000 }).toBe(1);
  void threads[0]?.terminate();
  await expect(lost).rejects.toBeInstanceOf(SaverCrashedError);
  await encoder.close();
  expect(count()).toBe(1);
});
