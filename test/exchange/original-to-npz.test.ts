import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importNpz } from "../../src/exchange/import-npz.ts";
import { temporaryFolder } from "./exported-run.ts";
import { pythonWith } from "./python.ts";

const script = join(import.meta.dirname, "../../tools/original-to-npz.py");
const python = pythonWith(["numpy"], "pickled buffers of the original");

/** Pickles five transitions in the way that the argument names, gzipped or not. */
const PICKLE = `
import collections, gzip, os, pickle, sys
import numpy as np
way, path = sys.argv[1:]
def at(i): return np.full((3, 2), i, np.float32)
def fields(i): return dict(observation=at(i), next_observation=at(i + 1), action=np.array([i], np.float64), reward=np.float64(i / 2), done=i == 2)
class Transition:
    def __init__(self, **fields): self.__dict__.update(fields)
Row = collections.namedtuple("Row", "state action reward next_state done")
class ReplayBuffer:
    def __init__(self, rows): self.buffer = collections.deque(rows, maxlen=9)
class Evil:
    def __reduce__(self): return (os.system, ("touch " + path + ".evil",))
order = ("observation", "action", "reward", "next_observation", "done")
rows = {
    "dicts": lambda: collections.deque((fields(i) for i in range(5)), maxlen=5),
    "objects": lambda: [Transition(**fields(i)) for i in range(5)],
    "tuples": lambda: {"memory": [tuple(fields(i)[k] for k in order) for i in range(5)], "epsilon": 0.1},
    "named": lambda: ReplayBuffer([Row(*[fields(i)[k] for k in order]) for i in range(5)]),
    "mixed": lambda: [dict(fields(i), action=[0, 0.75, -0.5][i], done=i > 0, truncated=i == 1) for i in range(3)],
    "ragged": lambda: [dict(fields(i), truncated=False) if i < 3 else fields(i) for i in range(4)],
    "evil": lambda: [Evil()],
    "short": lambda: [{"observation": at(0)}],
}[way]()
with (gzip.open if path.endswith(".gz") else open)(path, "wb") as file: pickle.dump(rows, file)
`;

function pickled(way: string, name: string): string {
  const path = join(temporaryFolder(), name);
  execFileSync(python ?? "", ["-c", PICKLE, way, path]);
  return path;
}

describe.skipIf(python === undefined)("pickled buffers of the original", () => {
  it.each([
    ["dicts", "buffer.pkl.gz"],
    ["objects", "buffer.pkl"],
    ["tuples", "buffer.pkl.gz"],
    ["named", "buffer.pkl"],
  ])("%s become an npz that can be imported", async (way, name) => {
    const path = pickled(way, name);
    const printed = execFileSync(python ?? "", [script, path, `${path}.npz`], { encoding: "utf8" });
    expect(printed).toContain("5 transitions, observations, actions, rewards, next_observations, dones");
    const { buffer } = await importNpz(`${path}.npz`, { frames: new Map([["", 3]]) });
    const rows = buffer.readRows(0, 5);
    expect([...rows.nextObservation]).toEqual([1, 2, 3, 4, 5].flatMap((i) => Array(6).fill(i)));
    expect([...rows.action]).toEqual([0, 1, 2, 3, 4]);
    expect([...rows.reward]).toEqual([0, 0.5, 1, 1.5, 2]);
    expect([...rows.terminated]).toEqual([0, 0, 1, 0, 0]);
  });

  it("whose rows are of several types keep their values, and an end by time is no terminal one", async () => {
    const path = pickled("mixed", "mixed.pkl");
    execFileSync(python ?? "", [script, path, `${path}.npz`]);
    const { buffer } = await importNpz(`${path}.npz`, { frames: new Map([["", 3]]) });
    const { action, terminated, truncated } = buffer.readRows(0, 3);
    expect([...action]).toEqual([0, 0.75, -0.5]);
    expect([[...terminated], [...truncated]]).toEqual([
      [0, 0, 1],
      [0, 1, 0],
    ]);
    const ragged = pickled("ragged", "ragged.pkl");
    const { status, stderr } = spawnSync(python ?? "", [script, ragged, `${ragged}.npz`], { encoding: "utf8" });
    expect([status, stderr.trim()]).toEqual([1, "Row 3 has no timeouts, other rows have"]);
  });

  it("what a pickle wants to run is not run", () => {
    const path = pickled("evil", "evil.pkl");
    const { status } = spawnSync(python ?? "", [script, path, `${path}.npz`]);
    expect(status).not.toBe(0);
    expect(existsSync(`${path}.evil`)).toBe(false);
  });

  it("says what is missing", () => {
    const path = pickled("short", "short.pkl");
    const { status, stderr } = spawnSync(python ?? "", [script, path, `${path}.npz`], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain(
      "Row 0 has no actions, rewards, next_observations, terminated or done; it has observation",
    );
  });
});
