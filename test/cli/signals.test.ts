import { describe, expect, test } from "vitest";
import { folderWith, QUICK, runVarve, startVarve } from "./run-varve.ts";

const GENERATIONS = 400;

/** Long enough to be interrupted, and quick to compare once it was. */
function longRun(): { cwd: string; args: string[] } {
  return { cwd: folderWith(QUICK), args: ["train", "--store", "run", "--generations", String(GENERATIONS), "--json"] };
}

describe.each([
  ["SIGINT", 130],
  ["SIGTERM", 75],
] as const)("%s", (signal, exitCode) => {
  test(`ends the run after its generation and save, with ${exitCode}, and the run goes on exactly`, async () => {
    const { cwd, args } = longRun();
    const run = startVarve(args, { cwd });
    await run.saw("generation   3/400");
    run.child.kill(signal);
    const { code, stdout, stderr } = await run.finished;
    expect(code).toBe(exitCode);
    const facts = JSON.parse(stdout) as { generations: number; checkpoints: number; stateHash: string };
    expect(facts).toMatchObject({ finished: false, stoppedBy: signal, checkpoints: facts.generations });
    expect(facts.generations).toBeLessThan(GENERATIONS);
    expect(stderr).toContain(`${signal} received: finishing this generation and its save`);
    expect(stderr).toContain(`Go on with: varve train --resume --store run --generations ${GENERATIONS}`);

    const more = String(facts.generations + 2);
    const resumed = await runVarve(["train", "--resume", "--store", "run", "--generations", more, "--json"], { cwd });
    const whole = await runVarve(["train", "--store", "whole", "--generations", more, "--json"], { cwd });
    expect(JSON.parse(resumed.stdout)).toMatchObject({
      resumedFrom: facts.generations,
      stateHash: (JSON.parse(whole.stdout) as { stateHash: string }).stateHash,
    });
  });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("a second %s ends the process at once", async (signal, exitCode) => {
  // A generation of many gradient steps: the second signal comes long before its end.
  const cwd = folderWith({ ...QUICK, episodesPerAgent: 2000 });
  const run = startVarve(["train", "--store", "run", "--generations", "3", "--json"], { cwd });
  await run.saw("saving every generation to run");
  run.child.kill(signal);
  await run.saw("received: finishing");
  run.child.kill(signal);
  const { code, stdout, stderr } = await run.finished;
  expect(code).toBe(exitCode);
  expect(stdout).toBe("");
  expect(stderr).toContain("Ended at once");
});
