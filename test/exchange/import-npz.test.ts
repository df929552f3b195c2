import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { exportCheckpoint } from "../../src/exchange/export-checkpoint.ts";
import { importNpz } from "../../src/exchange/import-npz.ts";
import { ADDED, CAPACITY, exportedRun, temporaryFolder, transitionAt } from "./exported-run.ts";
import { npy, usual, writeNpz } from "./made-npz.ts";

const all = (arrays: Readonly<Record<string, Uint8Array>>, level?: 0 | 6) => importNpz(writeNpz(arrays, level));
const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(usual).filter(([name]) => !names.includes(name)));
const f4s = (...values: number[]) => Float32Array.of(...values, ...Array<number>(6 - values.length).fill(0));
const i8s = (...values: bigint[]) => BigInt64Array.of(...values, ...Array<bigint>(6 - values.length).fill(0n));
const u8 = (...values: number[]) => Uint8Array.from(values);

describe("importing npz", () => {
  it.each([0, 6] as const)("takes the usual fields, stored or deflated (level %i)", async (level) => {
    const { buffer, transitions, columns, notes } = await all(usual, level);
    expect([transitions, buffer.size, buffer.capacity, notes]).toEqual([6, 6, 6, []]);
    expect(columns.fields).toEqual({
      observation: { dtype: "float32", shape: [2] },
      action: { dtype: "float64", shape: [1] },
    });
    const rows = buffer.readRows(0, 6);
    expect([...rows.observation]).toEqual([...Array(12).keys()]);
    expect([...rows.nextObservation]).toEqual([...Array(12).keys()].map((i) => i + 2));
    expect([...rows.action]).toEqual([-0, -1, -2, -3, -4, -5]);
    expect([...rows.reward]).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25]);
    expect([...rows.terminated]).toEqual([0, 0, 1, 0, 0, 0]);
    expect([...rows.truncated]).toEqual([0, 0, 0, 0, 1, 0]);
    expect([...rows.episodeStart]).toEqual([1, 0, 0, 1, 0, 1]);
  });

  it("takes dones that are no timeouts for terminated, and says so", async () => {
    const dones = npy("|b1", [6], u8(0, 0, 1, 0, 1, 0));
    const { buffer, notes } = await all({ ...without("terminals"), dones });
    expect([...buffer.readRows(0, 6).terminated]).toEqual([0, 0, 1, 0, 0, 0]);
    expect(notes).toEqual(['"dones" is taken for terminated where "timeouts" is 0']);
    const alone = await all({ ...without("terminals", "timeouts"), dones });
    expect([...alone.buffer.readRows(0, 6).terminated]).toEqual([0, 0, 1, 0, 1, 0]);
    expect(alone.notes[0]).toContain("nothing says which ends were truncations");
  });

  it("takes a second axis of environments apart, step by step", async () => {
    const shape = (...rest: number[]) => [3, 2, ...rest];
    const { buffer, columns } = await all({
      obs: npy("|u1", shape(1), u8(0, 10, 1, 11, 2, 12)),
      next_obs: npy("|u1", shape(1), u8(1, 11, 2, 12, 3, 13)),
      actions: npy("<i8", shape(), BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 5n)),
      rewards: npy("<f8", shape(), Float64Array.of(0, 1, 2, 3, 4, 5)),
      dones: npy("<f4", shape(), Float32Array.of(0, 0, 1, 0, 0, 1)),
    });
    expect([columns.envs, columns.fields.action]).toEqual([2, { dtype: "int64", shape: [] }]);
    const rows = buffer.readRows(0, 6);
    expect([...rows.env]).toEqual([0, 1, 0, 1, 0, 1]);
    expect([...rows.observation]).toEqual([0, 10, 1, 11, 2, 12]);
    expect([...rows.episodeStart]).toEqual([1, 1, 0, 0, 1, 0]);
  });

  it("takes columns of [n, 1], records, extras and windows; and says what it leaves out", async () => {
    const { observations, next_observations, ...rest } = usual;
    const path = writeNpz({
      ...rest,
      "obs.pose": observations as Uint8Array,
      "next_obs/pose": next_observations as Uint8Array,
      rewards: npy("<f4", [6, 1], new Float32Array(6)),
      logp: npy("<f4", [6], new Float32Array(6)),
      "infos/qpos": npy("<f4", [6], new Float32Array(6)),
      shorter: npy("<f4", [5], new Float32Array(5)),
      "meta.json": Buffer.from("{}"),
    });
    const { columns, notes } = await importNpz(path, { frames: new Map([["pose", 2]]), capacity: 10 });
    expect(columns.fields).toEqual({
      observation: { pose: { dtype: "float32", shape: [2], frames: 2 } },
      action: { dtype: "float64", shape: [1] },
      logp: { dtype: "float32", shape: [] },
    });
    expect(notes).toEqual([
      expect.stringContaining("infos/qpos: names of fields"),
      expect.stringContaining("shorter: its shape [5]"),
      "left out meta.json: no array",
    ]);
  });

  it("takes environments of any numeric type, and rewards that are not finite as they are", async () => {
    const { buffer } = await all({
      ...usual,
      env: npy("<f8", [6], Float64Array.of(0, 1, 65_535, -0, 7, 0)),
      rewards: npy("<f8", [6], Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY, 3.4e38, 0, 0, 0)),
    });
    const rows = buffer.readRows(0, 6);
    expect([...rows.env]).toEqual([0, 1, 65_535, 0, 7, 0]);
    expect([...rows.reward]).toEqual([Number.NaN, Number.NEGATIVE_INFINITY, Math.fround(3.4e38), 0, 0, 0]);
  });

  it("reads back what an export wrote, row for row", async () => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), "out.npz");
    await exportCheckpoint(reader, path, { format: "npz" });
    const { buffer } = await importNpz(path, { frames: new Map([["prices", 3]]) });
    const rows = buffer.readRows(0, CAPACITY);
    for (let index = 0; index < CAPACITY; index++) {
      const { transition, env } = transitionAt(ADDED - CAPACITY + index);
      expect(rows.env[index]).toBe(env);
      expect(rows.tag[index]).toBe(transition.tag);
      expect(rows.observation.prices.subarray(12 * index, 12 * index + 12)).toEqual(transition.observation.prices);
      expect(rows.nextObservation.pose.subarray(3 * index, 3 * index + 3)).toEqual(transition.nextObservation.pose);
    }
  });
});

describe("what npz files are refused, and why", () => {
  const f4 = (shape: number[], descr = "<f4", order = "False") =>
    npy(descr, shape, new Float32Array(shape.reduce((a, b) => a * b, 1)), order);

  it.each([
    ["a missing field", without("rewards"), "No array is called reward, rewards, rews; there are: observations"],
    ["no end of episodes", without("terminals", "timeouts"), "No array is called terminated, terminations"],
    ["two arrays for one field", { ...usual, obs: f4([6, 2]) }, 'got "observations" and "obs"'],
    ["a wrong length", { ...usual, actions: f4([5, 1]) }, 'Expected "actions" to begin with the axes [6]'],
    ["another next observation", { ...usual, next_observations: f4([6, 3]) }, 'is float32 [6, 2], "next_observations"'],
    ["rewards of three axes", { ...usual, rewards: f4([6, 1, 1]) }, "the shape [n] or [n, envs]"],
    ["flags that are none", { ...usual, terminals: npy("|u1", [6], u8(0, 2, 0, 0, 0, 0)) }, "0 or 1, got 2 at row 1"],
    ["flags between 0 and 1", { ...usual, timeouts: npy("<f4", [6], f4s(0, 0, 0.5, 0, 0, 0)) }, "got 0.5 at row 2"],
    ["flags of 64 bits", { ...usual, timeouts: npy("<i8", [6], i8s(0n, 2n ** 32n + 1n)) }, "got 4294967297 at row 1"],
    [
      "an env between two",
      { ...usual, env: npy("<f4", [6], f4s(0, 1.5)) },
      '"env" to be an integer from 0 to 65535, got 1.5 at row 1',
    ],
    ["an env below 0", { ...usual, env: npy("<i4", [6], Int32Array.of(0, 0, 0, -1, 0, 0)) }, "got -1 at row 3"],
    ["an env beyond 16 bits", { ...usual, env: npy("<u4", [6], Uint32Array.of(0, 65536, 0, 0, 0, 0)) }, "got 65536"],
    ["an env that is no number", { ...usual, env: npy("<f4", [6], f4s(Number.NaN)) }, "got NaN at row 0"],
    ["an env of 64 bits", { ...usual, env: npy("<i8", [6], i8s(2n ** 53n + 1n)) }, "got 9007199254740993 at row 0"],
    [
      "too many environments",
      {
        obs: f4([1, 65_537]),
        next_obs: f4([1, 65_537]),
        actions: f4([1, 65_537]),
        rewards: f4([1, 65_537]),
        done: f4([1, 65_537]),
      },
      "at most 65536 environments, got 65537",
    ],
    [
      "rewards beyond float32",
      { ...usual, rewards: npy("<f8", [6], Float64Array.of(0, -1e39, 0, 0, 0, 0)) },
      "got -1e+39 at row 1",
    ],
    ["pickled objects", { ...usual, infos: npy("|O", [6], new Uint8Array(48)) }, "holds Python objects"],
    ["big-endian numbers", { ...usual, actions: f4([6, 1], ">f4") }, 'Save array.astype("<f4")'],
    ["Fortran order", { ...usual, observations: f4([6, 2], "<f4", "True") }, "numpy.ascontiguousarray"],
    ["structured arrays", { ...usual, x: npy("[('a', '<f4')]", [6], new Float32Array(6)) }, "structured array"],
    ["other types", { ...usual, actions: npy("<f2", [6, 1], new Uint16Array(6)) }, "the type <f2"],
    ["a shape that is not that of the bytes", { ...usual, actions: f4([6, 2]).subarray(0, 90) }, "its shape [6, 2]"],
    ["what is no array", { ...usual, actions: Buffer.from("hello, world") }, '"actions" is not a .npy array'],
    [
      "no transitions",
      { observations: f4([0, 2]), next_obs: f4([0, 2]), actions: f4([0]), rewards: f4([0]), done: f4([0]) },
      "no transitions",
    ],
    [
      "frames without windows",
      { ...without("observations", "next_observations"), "ids.observation": f4([6]) },
      "without, and import that",
    ],
  ] as const)("%s", async (_, arrays, message) => {
    const error = await all(arrays).then(
      () => null,
      (thrown: Error & { code?: string; hint?: string }) => thrown,
    );
    expect(error?.code).toBe("VARVE_CONFIG");
    expect(`${error?.message} ${error?.hint ?? ""}`).toContain(message);
  });

  it("too small a capacity, and frames of a field that is not there", async () => {
    const path = writeNpz(usual);
    await expect(importNpz(path, { capacity: 5 })).rejects.toThrow("holds 6 transitions, the capacity is 5");
    await expect(importNpz(path, { frames: new Map([["x", 2]]) })).rejects.toThrow('no observation field "x"');
    await expect(importNpz(path, { frames: new Map([["x", 2]]) })).rejects.toMatchObject({
      hint: expect.stringContaining("--frames 4"),
    });
    await expect(importNpz(path, { frames: new Map([["", 3]]) })).rejects.toMatchObject({
      code: "VARVE_CONFIG",
      message: expect.stringMatching(/^"observations" cannot be windows of 3 frames: .* \[2\], whose first axis/),
    });
  });

  it("frames of a record that say no field, or one that it has not", async () => {
    const { observations, next_observations, ...rest } = usual as Record<string, Uint8Array>;
    const record = {
      ...rest,
      "obs.pose": observations as Uint8Array,
      "next_obs.pose": next_observations as Uint8Array,
    };
    const path = writeNpz(record);
    await expect(importNpz(path, { frames: new Map([["", 2]]) })).rejects.toMatchObject({
      message: "The observation is a record, so frames need a field; there are: pose",
      hint: expect.stringContaining("--frames pose=4"),
    });
    await expect(importNpz(path, { frames: new Map([["x", 2]]) })).rejects.toThrow(
      '"x" to have frames; there are: pose',
    );
  });

  it("a folder, with what to do", async () => {
    await expect(importNpz(temporaryFolder())).rejects.toMatchObject({ hint: "That is a folder: name a file." });
  });

  it.each(["<U1", "<M8[s]", "<c8", "<f2"])("nothing for an extra of %s: it is left out, and told", async (descr) => {
    const extra = npy(descr, [6], new Uint8Array(48));
    const { columns, notes } = await all({ ...usual, extra });
    expect(columns.extras).toEqual([]);
    expect(notes).toEqual([`left out extra: a buffer cannot hold its type ${descr}`]);
    await expect(all({ ...usual, env: extra })).rejects.toMatchObject({
      code: "VARVE_CONFIG",
      hint: expect.stringContaining(descr === "<f2" ? 'astype("float32")' : "as numbers, or leave it out"),
    });
  });

  it.each([0, 6] as const)(
    "a damaged header: the file is said to be damaged, not another's (level %i)",
    async (level) => {
      for (const wrong of ["<f5", "{'descX"]) {
        const text = Buffer.from(usual["observations"] as Uint8Array);
        const array = Buffer.from(
          text.toString("latin1").replace(wrong === "<f5" ? "<f4" : "{'descr", wrong),
          "latin1",
        );
        const path = writeNpz({ ...usual, observations: array, extra: array }, level);
        const file = readFileSync(path);
        // The CRC-32 that the file was written with, in the directory: of the local header it is not asked.
        const whole = crc32(text);
        const places = [...Array(file.length - 4).keys()].filter((at) => file.readUInt32LE(at) === crc32(array));
        expect(places.length).toBeGreaterThanOrEqual(2);
        for (const at of places) file.writeUInt32LE(whole, at);
        writeFileSync(path, file);
        await expect(importNpz(path)).rejects.toThrow(
          /in\.npz is damaged: "observations\.npy" is not what was written/,
        );
      }
    },
  );

  it("a file that is not there, and one that is no archive", async () => {
    const path = join(temporaryFolder(), "none.npz");
    await expect(importNpz(path)).rejects.toMatchObject({ code: "VARVE_STORE", kind: "not-found" });
    writeFileSync(path, "hello");
    await expect(importNpz(path)).rejects.toThrow("does not end as a ZIP archive");
  });

  it.each([0, 6] as const)("every damaged byte, or it changes nothing (level %i)", async (level) => {
    const path = writeNpz({ ...usual }, level);
    const whole = readFileSync(path);
    const rows = JSON.stringify((await importNpz(path)).buffer.readRows(0, 6));
    let refused = 0;
    for (let at = 0; at < whole.length; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ 0x15;
      writeFileSync(path, damaged);
      try {
        expect(JSON.stringify((await importNpz(path)).buffer.readRows(0, 6))).toBe(rows);
      } catch (error) {
        if (error instanceof Error && error.name === "AssertionError") throw error;
        expect((error as { code?: string }).code).toMatch(/^VARVE_(CONFIG|INVALID_ARGUMENT)$/);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(whole.length / 7 / 2);
    writeFileSync(path, whole.subarray(0, whole.length - 30));
    await expect(importNpz(path)).rejects.toMatchObject({ code: "VARVE_CONFIG" });
  });
});
