import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { nextTurn } from "../../src/base/timers.ts";
import type { UploadJob } from "../../src/checkpoint/options.ts";
import { UploadTable } from "../../src/checkpoint/upload-table.ts";

const job = (name: string, changes: Partial<UploadJob> = {}): UploadJob => ({
  ...{ name, bytesDone: 0, bytesTotal: 8e9, bytesPerSecond: 0, etaMs: null, retries: 0 },
  ...changes,
});

function twoEnds(): { writer: UploadTable; reader: UploadTable } {
  const memory = new SharedArrayBuffer(8 + UploadTable.BYTES);
  return { writer: new UploadTable(memory, 8), reader: new UploadTable(memory, 8) };
}

it("gives uploads back as they were written, and those of before no more", () => {
  const { writer, reader } = twoEnds();
  expect(reader.read()).toEqual([]);
  const pack = `packs/00000003-${"0123456789abcdef".repeat(4)}.pack`;
  const jobs = [job(pack, { bytesDone: 2 ** 40, bytesPerSecond: 0.5, etaMs: 0, retries: 7 }), job("packs/b")];
  writer.write(jobs);
  expect([reader.read(), reader.read()]).toEqual([jobs, jobs]);
  writer.write([job("c")]);
  expect(reader.read()).toEqual([job("c")]);
  writer.write([]);
  expect(reader.read()).toEqual([]);
});

it("has room for sixteen, and for 96 bytes of each name", () => {
  const { writer, reader } = twoEnds();
  writer.write(Array.from({ length: 40 }, (_, index) => job(`${index}${"ü".repeat(60)}`)));
  const read = reader.read();
  expect(read).toHaveLength(16);
  // Nothing of half a character.
  expect(read.at(-1)).toEqual(job(`15${"ü".repeat(47)}`));
});

it("says what it read last while a writer has stopped in the middle, and waits for nobody", () => {
  const memory = new SharedArrayBuffer(UploadTable.BYTES);
  const [writer, reader] = [new UploadTable(memory, 0), new UploadTable(memory, 0)];
  writer.write([job("a")]);
  expect(reader.read()).toEqual([job("a")]);
  const words = new Int32Array(memory);
  Atomics.add(words, 0, 1);
  words.fill(0, 2);
  expect(reader.read()).toEqual([job("a")]);
});

it("never mixes two writings, however fast they come", async () => {
  const memory = new SharedArrayBuffer(8 + UploadTable.BYTES);
  const reader = new UploadTable(memory, 8);
  const rounds = 200_000;
  const worker = new Worker(new URL("./fixtures/writes-uploads.ts", import.meta.url), {
    workerData: { memory, rounds },
  });
  onTestFinished(async () => void (await worker.terminate()));
  const ended = once(worker, "message").then(() => "ended");
  const seen = new Set<number>();
  do {
    for (let looks = 0; looks < 5000; looks++) {
      const read = reader.read();
      const [first] = read;
      if (first === undefined) continue;
      const round = first.retries;
      seen.add(round);
      const numbers = { bytesDone: round, bytesTotal: round, bytesPerSecond: round, etaMs: round, retries: round };
      const whole = Array.from({ length: 1 + (round % 4) }, () => ({ name: `packs/${round}`, ...numbers }));
      if (JSON.stringify(read) !== JSON.stringify(whole)) expect(read).toEqual(whole);
    }
  } while ((await Promise.race([ended, nextTurn()])) !== "ended");
  expect(reader.read()[0]?.retries).toBe(rounds);
  expect(seen.size).toBeGreaterThan(1);
});
