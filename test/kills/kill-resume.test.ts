import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Checkpointer, createRandom } from "../../src/index.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const KILLS = 10;
const GENERATIONS = 12;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-kills-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Kill {
  /** From the first generation of this process, its first durable save, or its start. */
  readonly from: "generation" | "durable" | "start";
  readonly delayMs: number;
}

/** Runs `varve train` to its end, or kills it. */
function train(store: string, resume: boolean, kill?: Kill): Promise<Ended> {
  const args = ["train", "pendulum", "--store", store, "--seed", "11", "--json"];
  const size = ["--population", "3", "--generations", String(GENERATIONS), "--capacity", "1500"];
  const child = spawn(process.execPath, [MAIN, ...args, ...(resume ? ["--resume"] : []), ...size]);
  let [stdout, stderr, isArmed] = ["", "", false];
  const arm = (from: Kill["from"]): void => {
    if (kill?.from !== from || isArmed) return;
    isArmed = true;
    setTimeout(() => child.kill("SIGKILL"), kill.delayMs);
  };
  arm("start");
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
    if (/^generation /m.test(stderr)) arm("generation");
    if (/save \d+ durable/.test(stderr)) arm("durable");
  });
  return new Promise((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

describe("kill -9 of a live run", () => {
  it(`ends with the same state after ${KILLS} kills at random moments as without any`, async () => {
    const seed = 20261123;
    const random = createRandom(seed);
    const whole = await train(join(folder, "whole"), false);
    expect(whole.code, whole.stderr).toBe(0);
    const store = join(folder, "killed");
    let killed = 0;
    for (let attempt = 0; killed < KILLS && attempt < 3 * KILLS; attempt++) {
      const steps = attempt === 0 ? 0 : await savedStep(store);
      if (steps >= GENERATIONS - 1) break;
      // Mostly around the save of a generation, now and then while it starts and restores.
      const from = (["start", "generation", "durable", "durable"] as const)[random.int(4)] ?? "durable";
      const kill = { from, delayMs: from === "start" ? 100 + random.int(500) : random.int(60) };
      const ended = await train(store, steps > 0, kill);
      expect(ended.signal, `seed ${seed}, kill ${killed}: ${ended.stderr}`).toBe("SIGKILL");
      killed++;
    }
    expect(killed).toBe(KILLS);
    const resumed = await train(store, (await savedStep(store)) > 0);
    expect(resumed.code, `seed ${seed}: ${resumed.stderr}`).toBe(0);
    expect(hashOf(resumed)).toBe(hashOf(whole));
  }, 180_000);
});

/** The newest checkpoint, found without any manual step; everything it names must be whole. */
async function savedStep(store: string): Promise<number> {
  const checkpointer = await Checkpointer.open({ store, readOnly: true });
  try {
    const report = await checkpointer.verify({ readData: true });
    expect(report).toMatchObject({ isIntact: true });
    return (await checkpointer.latestStep()) ?? 0;
  } finally {
    await checkpointer.close();
  }
}

function hashOf({ stdout }: Ended): string {
  const { stateHash } = JSON.parse(stdout) as { stateHash: string };
  expect(stateHash).toMatch(/^[0-9a-f]{64}$/);
  return stateHash;
}
