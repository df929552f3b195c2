import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/base/hash.ts";
import { Checkpointer, ReplayBuffer } from "../../src/index.ts";
import { buildGoldenRun } from "./golden-run.ts";

const root = join(import.meta.dirname, "../..");
const script = join(root, "examples/read.py");
const golden = join(import.meta.dirname, "v1");
const modules = "import numpy\ntry:\n import compression.zstd\nexcept ImportError:\n import zstandard";

/** A Python that has numpy and zstd: `VARVE_PYTHON`, the repository's `.venv`, or `python3`. */
function findPython(): string | undefined {
  const candidates = [process.env["VARVE_PYTHON"] ?? "", join(root, ".venv/bin/python"), "python3"];
  return candidates.find((python) => python !== "" && spawnSync(python, ["-c", modules]).status === 0);
}

const python = findPython();
if (python === undefined) {
  process.stderr.write("SKIPPED: python reader (needs python3 with numpy and zstandard; VARVE_PYTHON may name one)\n");
}

const copies: string[] = [];
afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true });
});

function copyOfGolden(): string {
  const copy = mkdtempSync(join(tmpdir(), "varve-python-"));
  copies.push(copy);
  cpSync(golden, copy, { recursive: true });
  return copy;
}

const FIELDS = {
  observation: {
    pose: { dtype: "float64", shape: [3] },
    prices: { dtype: "float32", shape: [6, 2], frames: 3 },
    picture: { dtype: "uint8", shape: [20, 20] },
  },
  action: { dtype: "float32", shape: [] },
  tag: { dtype: "int32", shape: [2] },
} as const;

/** What step `time` of an env looks like. Windows move by one frame; pictures repeat. */
function observationAt(env: number, time: number) {
  return {
    pose: Float64Array.of(env, Math.sin(time), time % 7 === 0 ? Number.NaN : -0),
    prices: Float32Array.from({ length: 12 }, (_, i) => env * 1000 + 2 * time * 2 + i),
    picture: new Uint8Array(400).fill((time + env) % 5),
  };
}

type Observation = ReturnType<typeof observationAt>;

/** Fills a buffer past its capacity; returns the lines that a reader must print for the rows that are left. */
function fillPastCapacity(buffer: ReplayBuffer<typeof FIELDS>, steps: number): string[] {
  const rows: { observation: Observation; nextObservation: Observation; time: number; env: number }[] = [];
  for (let time = 0; time < steps; time++) {
    for (const env of [0, 3]) {
      // A next observation that is not the observation of the env's next row: the end of an episode.
      const isEnd = time % 10 === 9;
      const row = {
        observation: observationAt(env, time),
        nextObservation: observationAt(env, isEnd ? 999 : time + 1),
        time,
        env,
      };
      const { observation, nextObservation } = row;
      buffer.add(
        {
          observation,
          nextObservation,
          action: time / 3,
          reward: -time,
          terminated: isEnd,
          truncated: false,
          tag: Int32Array.of(env, time),
        },
        { env },
      );
      rows.push(row);
    }
  }
  const live = rows.slice(-buffer.capacity);
  const line = (name: string, dtype: string, shape: number[], parts: ArrayBufferView[]): string => {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)));
    return `default ${name} ${dtype} [${[live.length, ...shape].join(", ")}] ${sha256Hex(bytes)}`;
  };
  const observed = (["observation", "nextObservation"] as const).flatMap((side) => [
    line(
      `${side}.pose`,
      "float64",
      [3],
      live.map((row) => row[side].pose),
    ),
    line(
      `${side}.prices`,
      "float32",
      [6, 2],
      live.map((row) => row[side].prices),
    ),
    line(
      `${side}.picture`,
      "uint8",
      [20, 20],
      live.map((row) => row[side].picture),
    ),
  ]);
  return [
    ...observed,
    line(
      "action",
      "float32",
      [],
      live.map(({ time }) => Float32Array.of(time / 3)),
    ),
    line(
      "reward",
      "float32",
      [],
      live.map(({ time }) => Float32Array.of(-time)),
    ),
    line(
      "terminated",
      "uint8",
      [],
      live.map(({ time }) => Uint8Array.of(time % 10 === 9 ? 1 : 0)),
    ),
    line(
      "truncated",
      "uint8",
      [],
      live.map(() => Uint8Array.of(0)),
    ),
    line(
      "episodeStart",
      "uint8",
      [],
      live.map(({ time }) => Uint8Array.of(time % 10 === 0 ? 1 : 0)),
    ),
    line(
      "env",
      "uint16",
      [],
      live.map(({ env }) => Uint16Array.of(env)),
    ),
    line(
      "tag",
      "int32",
      [2],
      live.map(({ time, env }) => Int32Array.of(env, time)),
    ),
  ];
}

describe("python reader", () => {
  it.skipIf(python === undefined)(
    "python reader: gives what was added to a real buffer, past its capacity",
    async () => {
      const store = mkdtempSync(join(tmpdir(), "varve-python-"));
      copies.push(store);
      const buffer = new ReplayBuffer({ capacity: 70, seed: 1, fields: FIELDS });
      await using checkpointer = await Checkpointer.open({ store });
      fillPastCapacity(buffer, 20);
      await checkpointer.save({ step: 1, buffer }).committed;
      const expected = fillPastCapacity(buffer, 50);
      await checkpointer.save({ step: 2, buffer }).committed;
      const [first, ...lines] = execFileSync(python ?? "", [script, store], { encoding: "utf8" })
        .trimEnd()
        .split("\n");
      expect(first).toBe("checkpoint 2, step 2, metrics {}");
      expect(lines.sort()).toEqual(expected.sort());
    },
  );

  it.skipIf(python === undefined)("python reader: gives every array of the newest checkpoint, bit for bit", () => {
    const output = execFileSync(python ?? "", [script, golden], { encoding: "utf8" });
    const [first, ...lines] = output.trimEnd().split("\n");
    expect(first).toBe('checkpoint 2, step 20, metrics {"score": 1.5}');
    const expected = buildGoldenRun().expected.map(
      ({ buffer, name, dtype, shape, sha256 }) => `${buffer} ${name} ${dtype} [${shape.join(", ")}] ${sha256}`,
    );
    expect(lines.sort()).toEqual(expected.sort());
  });

  it.skipIf(python === undefined)("python reader: notices a damaged pack and a damaged manifest", () => {
    for (const part of ["packs", "checkpoints"]) {
      const copy = copyOfGolden();
      const name = readdirSync(join(copy, part)).sort().at(-1) ?? "";
      const bytes = readFileSync(join(copy, part, name));
      bytes[100] = (bytes[100] as number) ^ 1;
      writeFileSync(join(copy, part, name), bytes);
      const { status, stderr } = spawnSync(python ?? "", [script, copy], { encoding: "utf8" });
      expect(status).toBe(1);
      expect(stderr).toContain(`${name} is corrupt`);
    }
  });
});
