import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readRecords, recordFileOf } from "../../src/record/read-records.ts";
import { parseRecord } from "../../src/record/record-guard.ts";
import type { RunRecord } from "../../src/record/run-record.ts";
import { committed, durable, END, generation, queued, START, status } from "./sample-records.ts";

const EVERYTHING: readonly RunRecord[] = [
  START,
  { event: "resume", atMs: 1, step: 3, sequence: 7, config: START.config },
  ...[generation(1), status(), queued(1), durable(1), committed(1)],
  { event: "failed", atMs: 2, step: 1, sequence: 2, error: { code: "VARVE_STORE", message: "put", hint: "Wait." } },
  { event: "skipped", atMs: 2, step: 1, sequence: 3 },
  { event: "replaced", atMs: 2, step: 1, sequence: 4 },
  { event: "degraded", atMs: 3, store: "s3://b/r", behind: 2, error: { code: null, message: "away", hint: null } },
  { event: "recovered", atMs: 4, store: "s3://b/r", behind: 2, awayMs: 900 },
  { event: "warning", atMs: 5, message: "a warning" },
  END,
];

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const lineOf = (record: unknown): string => `${JSON.stringify(record)}\n`;

function logWith(text: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-records-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = recordFileOf(folder);
  mkdirSync(dirname(path));
  writeFileSync(path, text);
  return path;
}

async function readAll(path: string, from = 0) {
  const batches = await Array.fromAsync(readRecords(path, { from }));
  return {
    records: batches.flatMap(({ records }) => records),
    end: batches.at(-1)?.end ?? from,
    passedOver: batches.reduce((sum, batch) => sum + batch.passedOver, 0),
  };
}

describe("reading a run's log", () => {
  test("gives every kind of record back as it was written", async () => {
    const text = EVERYTHING.map(lineOf).join("");
    const read = await readAll(logWith(text));
    expect(read).toEqual({ records: EVERYTHING, end: text.length, passedOver: 0 });
  });

  test("takes a status of before uploads were told one by one for one with none under way", async () => {
    const { jobs: _, ...upload } = status().status.upload;
    const old = { ...status(), status: { ...status().status, upload } };
    const { records } = await readAll(logWith(lineOf(old)));
    expect(records).toEqual([status({ upload: { ...upload, jobs: [] } })]);
  });

  test("leaves a line that is being written for later, and goes on behind the last whole one", async () => {
    const [first, second] = [lineOf(generation(1)), lineOf(generation(2))];
    const path = logWith(first + second.slice(0, 40));
    const before = await readAll(path);
    expect(before).toEqual({ records: [generation(1)], end: first.length, passedOver: 0 });
    appendFileSync(path, second.slice(40));
    expect(await readAll(path, before.end)).toMatchObject({ records: [generation(2)], end: (first + second).length });
  });

  test("passes over what is no record and counts it: half a line, another event, another shape, no UTF-8", async () => {
    const strange = [
      '{"event":"gen\n',
      ...[
        { event: "novelty", atMs: 1 },
        { event: "checkpoints", atMs: 1, checkpoints: [] },
      ].map(lineOf),
      ...[{ ...generation(1), frames: "many" }, { ...queued(1), sequence: -1 }, [], 7, null].map(lineOf),
      `{"event":"warning","atMs":1e999,"message":"endless"}\n`,
      `{"event":"warning","atMs":1,"message":"twice","message":"twice"}\n`,
      `{"__proto__":{"polluted":1},"event":"warning","atMs":1,"message":"x"}\n`,
    ];
    const noText = Buffer.from([0xff, 0xfe, 0x0a]);
    const path = logWith(Buffer.concat([...strange.map(bytesOf), noText, bytesOf(lineOf(END))]));
    expect(await readAll(path)).toMatchObject({ records: [END], passedOver: strange.length + 1 });
    expect((Object.prototype as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("keeps nothing of a line without end, and what follows it", async () => {
    const giant = { event: "warning", atMs: 1, message: "x".repeat(3_000_000) };
    const path = logWith(lineOf(generation(1)) + lineOf(giant) + lineOf(END));
    expect(await readAll(path)).toMatchObject({ records: [generation(1), END], passedOver: 1 });
  });

  test("without a file is reading an empty one; a link is refused", async () => {
    const path = logWith("");
    rmSync(path);
    expect(await readAll(path)).toMatchObject({ records: [], end: 0 });
    symlinkSync("/etc/hostname", path);
    await expect(readAll(path)).rejects.toMatchObject({ code: "VARVE_STORE", hint: expect.stringContaining("link") });
  });

  test("refuses what is no log, by name and with what to do, and not a log whose beginning is damaged", async () => {
    const path = logWith(Buffer.from([0, 1, 2, 0x0a, 3]));
    const noLog = { code: "VARVE_STORE", kind: "unsupported", objectName: path };
    await expect(readAll(path)).rejects.toMatchObject({ ...noLog, hint: expect.stringContaining("Move aside") });
    rmSync(path);
    mkdirSync(path);
    await expect(readAll(path)).rejects.toMatchObject({ ...noLog, detail: "it is not a file" });
    const damaged = logWith(Buffer.concat([new Uint8Array(100), bytesOf(`\n${lineOf(END)}`)]));
    expect(await readAll(damaged)).toMatchObject({ records: [END], passedOver: 1 });
  });

  test("hears of its signal between parts", async () => {
    const path = logWith(lineOf(generation(1)).repeat(2000));
    const stop = new AbortController();
    const reading = readRecords(path, { signal: stop.signal });
    await reading.next();
    stop.abort();
    await expect(reading.next()).rejects.toBe(stop.signal.reason);
  });
});

test("a record carries nothing that its kind does not have", () => {
  const record = parseRecord(bytesOf(JSON.stringify({ ...queued(1), secret: "s", toString: "x" })));
  expect(record).toEqual(queued(1));
});

test("waits for memory are read as they were written", () => {
  const waited = { event: "waited", atMs: 900, waitingAtMs: 200, blockedMs: 600, waits: 3 };
  expect(parseRecord(bytesOf(JSON.stringify(waited)))).toEqual(waited);
  expect(parseRecord(bytesOf(JSON.stringify({ ...waited, blockedMs: -1 })))).toBeNull();
});

test("a score that was no number comes back as one that is none", () => {
  const record = parseRecord(bytesOf(JSON.stringify({ ...generation(1), fitnessMean: Number.NaN })));
  expect(record).toEqual({ ...generation(1), fitnessMean: Number.NaN });
});
