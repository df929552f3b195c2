import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { damageNewest, folderWith, QUICK, runVarve, temporaryFolder } from "./run-varve.ts";

interface Facts {
  readonly [name: string]: unknown;
  readonly stateHash: string;
}

async function train(cwd: string, ...args: string[]): Promise<Facts> {
  const { code, stdout, stderr } = await runVarve(["train", ...args, "--json"], { cwd });
  expect(stderr).not.toContain("varve:");
  expect(code).toBe(0);
  return JSON.parse(stdout) as Facts;
}

describe("a run", () => {
  test("prints one JSON object on standard output and its messages on standard error", async () => {
    const cwd = folderWith(QUICK);
    const { code, stdout, stderr } = await runVarve(["train", "--generations", "3", "--json"], { cwd });
    expect(code).toBe(0);
    const facts = JSON.parse(stdout) as Facts;
    expect(facts).toMatchObject({
      environment: "pendulum",
      store: "runs/pendulum-001",
      population: 4,
      generations: 3,
      generationsPlanned: 3,
      finished: true,
      stoppedBy: null,
      resumedFrom: null,
      frames: 3000,
      checkpoints: 3,
      checkpointsFailed: 0,
      metricsLog: "runs/pendulum-001/logs/metrics.jsonl",
      champion: { episodes: 2 },
    });
    expect(facts.stateHash).toMatch(/^[0-9a-f]{64}$/);
    for (const name of ["blockedMs", "longestBlockMs", "generationMs", "elapsedMs", "bytesStored", "bytesLogical"]) {
      expect([name, typeof facts[name], (facts[name] as number) > 0]).toEqual([name, "number", true]);
    }
    expect(facts["longestBlockMs"]).toBeLessThanOrEqual(facts["blockedMs"] as number);
    expect(stderr).toContain("generation 1/3");
    expect(stderr).toMatch(/save 1 queued: 1,000 transitions, [\d.]+ kB/);
    expect(stderr).toMatch(/save 3 durable: 3,000 transitions, .* smaller/);
    expect(stderr).not.toContain("\u001B");
  });

  test("without --json prints lines and a table, without colours or control characters where no terminal is", async () => {
    const cwd = folderWith(QUICK);
    const { code, stdout, stderr } = await runVarve(["train", "--generations", "2"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("pendulum: 4 agents, 2 generations, seed 1; saving every generation to runs/pendulum-001");
    expect(stdout).toMatch(/^generation 1\/2 · fitness mean -[\d,.]+, max -[\d,.]+ .* buffer 1,000 \/ 50,000/m);
    for (const row of [
      "generations",
      "time",
      "champion",
      "checkpoints",
      "bytes",
      "blocked by saving",
      "longest block",
    ]) {
      expect(stdout).toMatch(new RegExp(`^${row} {2,}\\S`, "m"));
    }
    expect(stdout).toContain("varve train --resume --store runs/pendulum-001 --generations 4");
    // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/);
  });

  test("with --quiet prints the table alone, which says how to go on in the words of the start", async () => {
    const cwd = folderWith(QUICK);
    const env = { npm_lifecycle_event: "start" };
    const { stdout, stderr } = await runVarve(["train", "--generations", "2", "--quiet"], { cwd, env });
    expect(stderr).toBe("");
    expect(stdout).not.toContain("generation 1/2");
    expect(stdout).toContain("npm start -- --resume --store runs/pendulum-001");
    expect(stdout).toContain("longest block");
  });

  test("says how far the buffer is from learning", async () => {
    const cwd = folderWith({ ...QUICK, buffer: { learningStarts: 1500 } });
    const { stdout } = await runVarve(["train", "--generations", "1"], { cwd });
    expect(stdout).toContain("buffer not ready: 1,000 / 1,500");
  });

  test("records every generation in logs/metrics.jsonl", async () => {
    const cwd = folderWith(QUICK);
    const facts = await train(cwd, "--generations", "2", "--store", "here");
    const text = readFileSync(join(cwd, "here", "logs", "metrics.jsonl"), "utf8");
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Facts);
    const events = lines.map((line) => line["event"]);
    const named = (event: string): Facts[] => lines.filter((line) => line["event"] === event);
    expect(named("generation").map((line) => line["generation"])).toEqual([1, 2]);
    expect(named("generation")[0]).toMatchObject({ frames: 1000, bufferSize: 1000, saved: true });
    expect(named("generation")[0]).toMatchObject({ buffer: { added: 1000, uniqueFrames: 0, pinnedBytes: 0 } });
    expect(events[0]).toBe("start");
    expect(events.slice(-2)).toEqual(["end", "status"]);
    for (const event of ["queued", "durable", "committed"]) {
      expect(named(event).map((line) => line["sequence"])).toEqual([1, 2]);
    }
    expect(named("end")).toMatchObject([{ generations: 2, finished: true, stateHash: facts.stateHash }]);
    expect(lines.at(-1)).toMatchObject({ status: { completed: 2, pending: 0, lastError: null } });
    for (const [number, durable] of named("durable").entries()) {
      const times = [
        named("queued")[number]?.["atMs"],
        ...["encodingAtMs", "writingAtMs", "atMs"].map((name) => durable[name]),
      ];
      expect(times.every((time) => typeof time === "number")).toBe(true);
      expect(times.toSorted((a, b) => (a as number) - (b as number))).toEqual(times);
    }
    expect(facts["metricsLog"]).toBe("here/logs/metrics.jsonl");
  });

  test("gets a folder of its own each time", async () => {
    const cwd = folderWith(QUICK);
    const first = await train(cwd, "--generations", "1");
    const second = await train(cwd, "--generations", "1", "--seed", "2");
    expect([first["store"], second["store"]]).toEqual(["runs/pendulum-001", "runs/pendulum-002"]);
    expect(second.stateHash).not.toBe(first.stateHash);
  });

  test("saves as often as --save-every says, and at its end", async () => {
    const facts = await train(folderWith(QUICK), "--generations", "5", "--save-every", "2");
    expect(facts["checkpoints"]).toBe(3); // after 2, 4 and 5
  });

  test("takes a smaller --capacity than learning would wait for", async () => {
    const facts = await train(folderWith({ ...QUICK, buffer: {} }), "--generations", "1", "--capacity", "400");
    expect(facts["reports"]).toMatchObject([{ bufferCapacity: 400, bufferSize: 400, learningStarts: 100 }]);
  });
});

test("a save that fails is told, training goes on, and the run ends with 4", async () => {
  const cwd = folderWith(QUICK);
  mkdirSync(join(cwd, "run"));
  writeFileSync(join(cwd, "run", "packs"), "a file where the run needs a folder");
  const { code, stdout, stderr } = await runVarve(["train", "--store", "run", "--generations", "2", "--json"], { cwd });
  expect(code).toBe(4);
  const facts = { generations: 2, finished: true, checkpoints: 0, checkpointsFailed: 2, resumeCommand: null };
  expect(JSON.parse(stdout)).toMatchObject(facts);
  expect(stderr).toMatch(/save 1 \(step 1\) FAILED: .*packs is not a folder/);
  expect(stderr).toContain("The newest checkpoint could not be saved");
});

describe("where nothing can be saved", () => {
  test.each([
    [
      "a store below a file",
      ["--store", "file/run"],
      /Cannot write the run's log file\/run\/logs\/metrics\.jsonl: ENOTDIR/,
    ],
    ["no place for runs/", [], /Cannot make a folder for the run under runs\/: EEXIST/],
  ])("%s is an error that names the path and what to do", async (_, args, message) => {
    const cwd = folderWith(QUICK);
    for (const name of ["file", "runs"]) writeFileSync(join(cwd, name), "");
    const { code, stdout, stderr } = await runVarve(["train", "--generations", "1", ...args], { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).toContain("--store");
  });

  test("a start that fails before its first generation leaves no folder behind", async () => {
    const cwd = folderWith(QUICK);
    const args = ["train", "--capacity", String(2 ** 52)];
    expect((await runVarve(args, { cwd })).code).not.toBe(0);
    expect(readdirSync(join(cwd, "runs"))).toEqual([]);
    await runVarve([...args, "--store", "named/run"], { cwd });
    expect(existsSync(join(cwd, "named"))).toBe(false);
  });

  test("a run in memory does not name a command that could never go on with it", async () => {
    const args = ["train", "--generations", "1", "--store", "memory://a"];
    const { code, stdout } = await runVarve(args, { cwd: folderWith(QUICK) });
    expect(code).toBe(0);
    expect(stdout).not.toContain("--resume");
    expect(stdout).toContain("a memory:// store ends with its process");
  });
});

describe("going on", () => {
  test("without flags keeps to the generations and the schedule that the run was started with", async () => {
    const cwd = folderWith(QUICK);
    const start = ["--generations", "5", "--save-every", "2", "--store", "run"];
    const whole = await train(cwd, ...start);
    const resumed = await train(temporaryFolder(), "--resume", "--step", "2", "--store", join(cwd, "run"));
    expect(resumed).toMatchObject({ generationsPlanned: 5, generations: 5, resumedFrom: 2, checkpoints: 2 });
    expect(resumed).toMatchObject({ champion: whole["champion"], stateHash: whole.stateHash });
    const again = await runVarve(["train", "--resume", "--store", "run"], { cwd });
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("complete already. To train on, add --generations with more than 5.");
  });

  test("tells once that a damaged checkpoint is passed over", async () => {
    const cwd = folderWith(QUICK);
    await train(cwd, "--generations", "2", "--store", "run");
    damageNewest(join(cwd, "run"));
    const { code, stderr } = await runVarve(["train", "--resume", "--store", "run"], { cwd });
    expect(code).toBe(0);
    expect(stderr.match(/is passed over/g)).toHaveLength(1);
  });

  test("ends with the same hash as a run that never stopped, in the newest run if no store is named", async () => {
    const cwd = folderWith(QUICK);
    const whole = await train(cwd, "--generations", "4");
    await train(cwd, "--generations", "2");
    const resumed = await train(cwd, "--generations", "4", "--resume");
    expect(resumed).toMatchObject({ store: "runs/pendulum-002", resumedFrom: 2, generations: 4, checkpoints: 2 });
    expect(resumed.stateHash).toBe(whole.stateHash);
    const log = readFileSync(join(cwd, "runs", "pendulum-002", "logs", "metrics.jsonl"), "utf8");
    expect(log.match(/"event":"(start|resume|generation|end)"/g)?.map((event) => event.slice(9, -1))).toEqual([
      ...["start", "generation", "generation", "end", "resume", "generation", "generation", "end"],
    ]);
  });

  test("from an older step makes a branch", async () => {
    const cwd = folderWith(QUICK);
    const whole = await train(cwd, "--generations", "3", "--store", "run");
    const branch = await train(cwd, "--generations", "3", "--store", "run", "--resume", "--step", "1");
    expect(branch).toMatchObject({ resumedFrom: 1, stateHash: whole.stateHash, checkpoints: 2 });
  });

  test("on a run that is complete changes nothing and says so", async () => {
    const cwd = folderWith(QUICK);
    const whole = await train(cwd, "--generations", "2", "--store", "run");
    const { code, stdout, stderr } = await runVarve(
      ["train", "--generations", "2", "--store", "run", "--resume", "--json"],
      { cwd },
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ checkpoints: 0, generations: 2, stateHash: whole.stateHash });
    expect(stderr).toContain("The run was complete already");
  });

  test("is asked for: a run that holds checkpoints is not written to without --resume", async () => {
    const cwd = folderWith(QUICK);
    await train(cwd, "--generations", "1", "--store", "run");
    const before = readdirSync(join(cwd, "run"), { recursive: true });
    const { code, stdout, stderr } = await runVarve(["train", "--store", "run", "--generations", "9"], { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("run already holds a run: 1 checkpoint, the newest of step 1");
    expect(stderr).toContain("Go on with: varve train --resume --store run --generations 9");
    expect(stderr).toContain("Or start a new run: give another --store, or none.");
    expect(readdirSync(join(cwd, "run"), { recursive: true })).toEqual(before);
  });

  test("with other settings is refused, naming each that differs", async () => {
    const cwd = folderWith(QUICK);
    await train(cwd, "--generations", "1", "--store", "run");
    const args = ["train", "--resume", "--store", "run", "--seed", "7", "--population", "5", "--generations", "2"];
    const { code, stderr } = await runVarve(args, { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain("seed: 1 in the checkpoint, 7 now");
    expect(stderr).toContain("population: 4 in the checkpoint, 5 now");
    expect(stderr).not.toContain("generations:");
    const other = await runVarve(["train", "mountain-car-continuous", "--resume", "--store", "run"], { cwd });
    expect(other.stderr).toContain('environment: "pendulum" in the checkpoint, "mountain-car-continuous" now');
  });

  test("takes the settings of the checkpoint where nothing else is said", async () => {
    const cwd = folderWith(QUICK);
    await train(cwd, "--generations", "1", "--store", "run", "--seed", "5", "--capacity", "1000");
    const elsewhere = temporaryFolder();
    const facts = await train(elsewhere, "--resume", "--store", join(cwd, "run"), "--generations", "2");
    expect(facts).toMatchObject({ environment: "pendulum", seed: 5, population: 4, generations: 2, resumedFrom: 1 });
  });

  test.each([
    [["--resume"], "There is no run of pendulum to resume under runs/"],
    [["--resume", "--store", "empty"], "There is nothing to resume: empty holds no checkpoint"],
  ])("%j where there is nothing is an error, not a new run", async (args, message) => {
    const cwd = folderWith(QUICK);
    const { code, stderr } = await runVarve(["train", "--generations", "1", ...args], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(existsSync(join(cwd, "runs"))).toBe(false);
  });
});

describe("settings", () => {
  test("flags win over the file, and the file over the defaults", async () => {
    const cwd = folderWith({ ...QUICK, generations: 1, seed: 9, store: "from-file" });
    expect(await train(cwd, "--seed", "3")).toMatchObject({
      seed: 3,
      generations: 1,
      store: "from-file",
      population: 4,
    });
  });

  test("come from another file with --config", async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, "other.json"), JSON.stringify({ ...QUICK, generations: 1, checkpoints: { keepLast: 1 } }));
    expect(await train(cwd, "--config", "other.json")).toMatchObject({ environment: "pendulum", generations: 1 });
  });

  test.each([
    ["not JSON", "{", /The configuration file varve\.config\.json is not JSON/],
    ["an unknown setting", { populations: 3 }, /varve\.config\.json: .*populations/],
    ["an unknown setting inside another", { learner: { gama: 1 } }, /varve\.config\.json: .*gama/],
    ["a value out of range", { population: 0 }, /varve\.config\.json: .*population/],
    ["a wrong retention", { checkpoints: { keepLast: 0 } }, /varve\.config\.json is wrong: checkpoints\.keepLast/],
    [
      "an environment that there is not",
      { environment: "chess" },
      /There is no environment "chess"; there are: pendulum/,
    ],
  ])("%s in the file is an error that names it", async (_, config, message) => {
    const cwd = folderWith(config);
    const { code, stdout, stderr } = await runVarve(["train"], { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(existsSync(join(cwd, "runs"))).toBe(false);
  });

  test.each([
    [["train", "--generation", "3"], /unknown option '--generation'.*Did you mean --generations/s],
    [["train", "--generations", "three"], /Expected an integer of 1 or more, got "three"/],
    [["train", "--generations", "0"], /Expected an integer of 1 or more, got "0"/],
    [["train", "--step", "3"], /--step says which checkpoint to resume from, and needs --resume/],
    [["train", "--config", "absent.json"], /Cannot read the configuration file absent\.json/],
    [["train", "chess"], /There is no environment "chess"/],
    [["train", "pendulum", "more"], /too many arguments/],
    [["trian"], /unknown command 'trian'.*Did you mean train/s],
  ])("%j is refused", async (args, message) => {
    const { code, stdout, stderr } = await runVarve(args, { cwd: temporaryFolder() });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });

  test("an error shows its stack with VARVE_DEBUG=1 only", async () => {
    const { stderr } = await runVarve(["train", "chess"], { cwd: temporaryFolder(), env: { VARVE_DEBUG: "1" } });
    expect(stderr).toMatch(/ConfigError: There is no environment.*^ {4}at /ms);
  });

  test("--help tells every option and the exit codes", async () => {
    const cwd = temporaryFolder();
    const help = await runVarve(["train", "--help"], { cwd });
    expect(help.code).toBe(0);
    for (const name of ["generations", "population", "seed", "save-every", "store", "local", "capacity", "resume"]) {
      expect(help.stdout).toContain(`--${name}`);
    }
    const all = await runVarve(["--help"], { cwd });
    expect(all.stdout).toMatch(/75 +ended by SIGTERM/);
  });
});
