import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tensorBoardListener } from "../../src/cli/tensorboard-scalars.ts";
import { TensorBoardLog } from "../../src/exchange/tensorboard-log.ts";
import { folderWith, QUICK, runVarve, temporaryFolder } from "../cli/run-varve.ts";
import { durable, generation, START, status } from "../record/sample-records.ts";

const root = join(import.meta.dirname, "../..");

/** A Python that has TensorBoard: `VARVE_PYTHON`, the repository's `.venv`, or `python3`. */
function findPython(): string | undefined {
  const candidates = [process.env["VARVE_PYTHON"] ?? "", join(root, ".venv/bin/python"), "python3"];
  return candidates.find((python) => python !== "" && spawnSync(python, ["-c", "import tensorboard"]).status === 0);
}

const python = findPython();
if (python === undefined) {
  process.stderr.write(
    "SKIPPED: TensorBoard's own reader (needs python3 with tensorboard; VARVE_PYTHON may name one)\n",
  );
}

interface Decoded {
  readonly wallTime: number;
  readonly step: number;
  readonly version: string | null;
  readonly restart: boolean;
  readonly scalars: readonly (readonly [string, number])[];
}

/** CRC-32C bit by bit, so that nothing is shared with what wrote the file. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function masked(bytes: Uint8Array): number {
  const crc = BigInt(crc32c(bytes));
  return Number((((crc >> 15n) | ((crc << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
}

/** The fields of a protocol buffer's message, by number; of any type. */
function fieldsOf(bytes: Buffer): Map<number, (bigint | Buffer)[]> {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes.readUInt8(at++));
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  while (at < bytes.length) {
    const key = Number(varint());
    const type = key & 7;
    const value = type === 0 ? varint() : type === 1 ? take(8) : type === 5 ? take(4) : take(Number(varint()));
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  return fields;
}

function bytesIn(fields: ReadonlyMap<number, readonly (bigint | Buffer)[]>, number: number): Buffer {
  const [value] = fields.get(number) ?? [];
  if (!Buffer.isBuffer(value)) throw new Error(`There is no field ${number}`);
  return value;
}

function decode(file: Buffer): Decoded[] {
  const events: Decoded[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(data));
    at += 16 + length;
    const fields = fieldsOf(data);
    const [summary] = (fields.get(5) ?? []) as Buffer[];
    const values = summary === undefined ? [] : ((fieldsOf(summary).get(1) ?? []) as Buffer[]);
    events.push({
      wallTime: bytesIn(fields, 1).readDoubleLE(0),
      step: Number(fields.get(2)?.[0] ?? 0n),
      version: (fields.get(3)?.[0] as Buffer | undefined)?.toString() ?? null,
      restart: fields.has(7) && fieldsOf(fields.get(7)?.[0] as Buffer).get(1)?.[0] === 1n,
      scalars: values.map((value) => {
        const parts = fieldsOf(value);
        return [bytesIn(parts, 1).toString(), bytesIn(parts, 2).readFloatLE(0)] as const;
      }),
    });
  }
  return events;
}

const noWarning = (message: string): never => {
  throw new Error(message);
};

/** Three generations with their saves; then a resume from the first, and another second one. */
function writeRuns(folder: string): string[] {
  const first = new TensorBoardLog(folder, { warn: noWarning });
  const listen = tensorBoardListener(first);
  listen(START);
  for (const number of [1, 2, 3]) {
    listen(generation(number));
    listen(durable(number));
    listen(status());
  }
  const second = new TensorBoardLog(folder, { warn: noWarning });
  const resumed = tensorBoardListener(second);
  resumed({ ...START, event: "resume", atMs: 9000, step: 1, sequence: 1 });
  resumed({ ...generation(2), fitnessMean: Number.NaN, validation: null });
  return [first.path, second.path];
}

describe("events for TensorBoard", () => {
  it("are framed records of protocol buffers, with the scalars of generations and saves by step", () => {
    const [first = "", second = ""] = writeRuns(temporaryFolder());
    const events = decode(readFileSync(first));
    expect(events[0]).toMatchObject({ version: "brain.Event:2", scalars: [] });
    expect(events).toHaveLength(1 + 3 * 3);
    expect(events[1]).toMatchObject({ wallTime: 1, step: 1 });
    expect(Object.fromEntries(events[1]?.scalars ?? [])).toEqual({
      ...{ "fitness/mean": -10, "fitness/max": -5, "fitness/spread": 2, validation: -6, "loss/critic": 0.5 },
      ...{ "buffer/size": 100, "buffer/fill": Math.fround(0.1), "buffer/added": 100, "buffer/unique_frames": 0 },
      ...{ "buffer/logical_bytes": 7000, "buffer/resident_bytes": 9000 },
      ...{ "time/generation_seconds": Math.fround(0.9), "time/evaluate_seconds": Math.fround(0.3) },
      ...{ "time/learn_seconds": 0.5, "time/evolve_seconds": Math.fround(0.1) },
      "saving/blocked_seconds": Math.fround(0.00025),
    });
    expect(Object.fromEntries(events[2]?.scalars ?? [])).toMatchObject({ "saving/stored_bytes": 2000 });
    expect(events[3]?.step).toBe(1);
    expect(Object.fromEntries(events[3]?.scalars ?? [])).toMatchObject({ "memory/rss_bytes": 300_000_000 });
    const resumed = decode(readFileSync(second));
    expect(resumed[1]).toMatchObject({ restart: true, step: 2 });
    expect(Object.fromEntries(resumed[2]?.scalars ?? [])["fitness/mean"]).toBeNaN();
    expect(resumed[2]?.scalars.map(([tag]) => tag)).not.toContain("validation");
  });

  it("varve train writes them, in a file of each process's own, and leaves none where it cannot begin", async () => {
    const cwd = folderWith(QUICK);
    const args = ["train", "--store", "run", "--tensorboard", "tb", "--quiet"];
    expect((await runVarve([...args, "--generations", "2"], { cwd })).code).toBe(0);
    expect((await runVarve(args, { cwd })).code).toBe(2);
    expect((await runVarve([...args, "--resume", "--generations", "3"], { cwd })).code).toBe(0);
    const files = readdirSync(join(cwd, "tb")).sort();
    expect(files).toHaveLength(2);
    const events = files.flatMap((name) => decode(readFileSync(join(cwd, "tb", name))));
    const means = events.filter(({ scalars }) => scalars.some(([tag]) => tag === "fitness/mean"));
    expect(means.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(events.filter(({ restart }) => restart).map(({ step }) => step)).toEqual([3]);
    expect(events.some(({ scalars }) => scalars.some(([tag]) => tag === "saving/stored_bytes"))).toBe(true);
  });

  it("a step of any size is as it was", () => {
    const log = new TensorBoardLog(temporaryFolder(), { warn: noWarning });
    const steps = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1];
    for (const step of steps) log.write(step, { "ü/1": step }, 5);
    const events = decode(readFileSync(log.path)).slice(1);
    expect(events.map(({ step, scalars }) => [step, scalars[0]?.[0]])).toEqual(steps.map((step) => [step, "ü/1"]));
  });

  it("a folder that cannot be made is a configuration error", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    expect(() => new TensorBoardLog(join(folder, "file"), { warn: noWarning })).toThrow(
      expect.objectContaining({ code: "VARVE_CONFIG", hint: expect.stringContaining("folder") }),
    );
  });

  it("a write that fails is told once, and what it left half is cut off before the next", () => {
    const folder = join(temporaryFolder(), "logs");
    mkdirSync(folder);
    const warnings: string[] = [];
    const log = new TensorBoardLog(folder, { warn: (message) => void warnings.push(message) });
    log.write(1, { a: 1 });
    const whole = readFileSync(log.path);
    // A folder in its place: nobody, not even root, can write to that.
    renameSync(log.path, `${log.path}.away`);
    mkdirSync(log.path);
    log.write(2, { a: 2 });
    log.write(3, { a: 3 });
    expect(warnings).toEqual([expect.stringContaining("are missing in")]);
    rmdirSync(log.path);
    writeFileSync(log.path, whole);
    appendFileSync(log.path, whole.subarray(0, 10));
    log.write(4, { a: 4 });
    expect(decode(readFileSync(log.path)).map(({ step }) => step)).toEqual([0, 1, 4]);
    expect(warnings).toHaveLength(1);
  });

  it.skipIf(python === undefined)(
    "TensorBoard's own reader: gives every value, and drops what a resume abandoned",
    () => {
      const folder = temporaryFolder();
      writeRuns(folder);
      const script = [
        "import json, sys",
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator",
        "events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0}).Reload()",
        "tags = events.Tags()['scalars']",
        "print(json.dumps({tag: [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)] for tag in tags}))",
      ].join("\n");
      const output = execFileSync(python ?? "", ["-c", script, folder], {
        encoding: "utf8",
        stdio: ["pipe", "pipe", "pipe"],
      });
      const read = JSON.parse(output.replaceAll("NaN", "null")) as Record<string, [number, number | null, number][]>;
      expect(read["fitness/max"]).toEqual([
        [1, -5, 1],
        [2, -5, 2],
      ]);
      expect(read["fitness/mean"]).toEqual([
        [1, -10, 1],
        [2, null, 2],
      ]);
      expect(read["validation"]).toEqual([[1, -6, 1]]);
      expect(read["saving/stored_bytes"]).toEqual([[1, 2000, 1.4]]);
      expect(Object.keys(read)).toHaveLength(27);
    },
  );
});
