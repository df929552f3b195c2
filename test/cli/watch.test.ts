import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { folderWith, QUICK, runVarve, startVarve, temporaryFolder } from "./run-varve.ts";

const MAIN = join(import.meta.dirname, "..", "..", "src", "cli", "main.ts");

/** A folder in which `run` holds three checkpoints. */
async function withRun(): Promise<string> {
  const cwd = folderWith(QUICK);
  const { code } = await runVarve(["train", "--store", "run", "--generations", "3", "--quiet"], { cwd });
  expect(code).toBe(0);
  return cwd;
}

/** `script` of util-linux runs a program on a terminal of its own. */
const hasScript = process.platform === "linux" && spawnSync("script", ["--version"]).status === 0;
if (!hasScript) process.stderr.write("SKIPPED: watch on a terminal (needs script of util-linux)\n");

describe("watch", () => {
  test("without a terminal prints a line for each generation and save, and ends with the run", async () => {
    const { code, stdout, stderr } = await runVarve(["watch", "run"], { cwd: await withRun() });
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("start: pendulum");
    expect(lines.filter((line) => /^generation \d\/3 · fitness mean /.test(line))).toHaveLength(3);
    expect(lines.filter((line) => /^save \d \(step \d\) durable: /.test(line))).toHaveLength(3);
    expect(lines.slice(-2)).toEqual([
      "finished after 3 generations",
      "the store holds 3 checkpoints, the newest of step 3 (sequence 3)",
    ]);
    expect(stdout).not.toContain("\u001b");
  });

  test("follows a run that trains, until it has ended", async () => {
    const cwd = folderWith(QUICK);
    const training = startVarve(["train", "--store", "run", "--generations", "8"], { cwd });
    await training.saw("save 1 durable");
    const { code, stdout } = await runVarve(["watch", "run"], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain("generation 8/8");
    expect((await training.finished).code).toBe(0);
  });

  test("--json prints each record as a line, --once one view; what could not be read is told", async () => {
    const cwd = await withRun();
    const json = await runVarve(["watch", "run", "--json"], { cwd });
    const records = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    expect(records[0]?.event).toBe("start");
    expect(records.at(-1)).toMatchObject({
      event: "checkpoints",
      checkpoints: [{ step: 1 }, { step: 2 }, { step: 3 }],
    });
    appendFileSync(join(cwd, "run", "logs", "metrics.jsonl"), "torn\n");
    const once = await runVarve(["watch", "run", "--once"], { cwd });
    expect(once.stdout).toMatch(/^pendulum · run · generation 3\/3 · finished\nblocked /);
    expect(once.stdout).toMatch(/^log +1 line could not be read$/m);
    const lines = await runVarve(["watch", "run"], { cwd });
    expect(lines.stderr).toBe("WARNING: 1 line of the log could not be read\n");
  });

  test.each(["--json", "--local=run"])(
    "%s ends quietly when its reader goes away, though the run goes on",
    async (flag) => {
      const cwd = await withRun();
      const log = join(cwd, "run", "logs", "metrics.jsonl");
      const [first = "", second = ""] = readFileSync(log, "utf8").split("\n");
      writeFileSync(log, `${first}\n`);
      const watching = startVarve(["watch", "run", flag], { cwd });
      await watching.saw(flag === "--json" ? '{"event":"start"' : "start: ");
      watching.child.stdout?.destroy();
      const writing = setInterval(() => appendFileSync(log, `${second}\n`), 50);
      onTestFinished(() => clearInterval(writing));
      expect(await watching.finished).toMatchObject({ code: 0, stderr: "" });
    },
  );

  test("Ctrl-C ends it while a long log is read for the first time", async () => {
    const cwd = await withRun();
    const log = join(cwd, "run", "logs", "metrics.jsonl");
    const lines = readFileSync(log, "utf8");
    for (let megabytes = 0; megabytes < 20; megabytes++) appendFileSync(log, lines.repeat(1e6 / lines.length));
    const watching = startVarve(["watch", "run", "--json"], { cwd });
    await watching.saw('{"event":"start"');
    watching.child.kill("SIGINT");
    const { code, stdout } = await watching.finished;
    expect(code).toBe(0);
    expect(stdout.length).toBeLessThan(10e6);
  });

  test("of a log that is none, or cannot be read, names the file and what to do", async () => {
    const cwd = await withRun();
    const log = join(cwd, "run", "logs", "metrics.jsonl");
    const looks = async () => (await runVarve(["watch", "run", "--once"], { cwd })).stderr;
    writeFileSync(log, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]));
    expect(await looks()).toMatch(
      /^varve: Store read of ".*metrics\.jsonl" failed .*not the log of a run.*\n {2}.*Move aside/,
    );
    rmSync(log);
    symlinkSync("/etc/hostname", log);
    expect(await looks()).toMatch(/metrics\.jsonl.*\n {2}It is a link/);
    rmSync(log);
    mkdirSync(log);
    expect(await looks()).toMatch(/metrics\.jsonl.*it is not a file\n {2}.*Move aside/);
  });

  test("of a store without a log shows what it holds", async () => {
    const cwd = folderWith(QUICK);
    await runVarve(["train", "--store", "far", "--local", "near", "--generations", "2"], { cwd });
    const far = await runVarve(["watch", "far", "--once"], { cwd });
    expect(far.stdout).toMatch(/^#2 +step 2 /m);
    expect(far.stdout).toMatch(/^log +none here/m);
    const both = await runVarve(["watch", "far", "--local", "near", "--once"], { cwd });
    expect(both.stdout).toContain("generation 2/2 · finished");
  });

  test("of a folder that does not exist is an error", async () => {
    const { code, stderr } = await runVarve(["watch", "rnu"], { cwd: temporaryFolder() });
    expect(code).toBe(2);
    expect(stderr).toContain("There is no run at rnu");
  });

  test.skipIf(!hasScript)("on a terminal draws on a screen of its own, and q ends it with 0", async () => {
    const cwd = await withRun();
    const { code, drawn } = await watchOnTerminal(cwd, {});
    expect(code).toBe(0);
    expect(drawn).toContain("\u001b[?1049h\u001b[?25l");
    expect(drawn.trimEnd().endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
    expect(drawn).toContain("\u001b[1mpendulum · run");
    const dumb = await watchOnTerminal(cwd, { TERM: "dumb" });
    expect([dumb.code, dumb.drawn]).toEqual([0, expect.stringContaining("finished after 3 generations")]);
    expect(dumb.drawn).not.toContain("\u001b");
    const plain = await watchOnTerminal(cwd, { NO_COLOR: "1" });
    expect(plain.drawn).toContain("pendulum · run");
    // Of colours; what moves the cursor stays.
    expect(plain.drawn.split("\u001b").some((part) => /^\[\d*m/.test(part))).toBe(false);
  });
});

/** Presses q as soon as the run is drawn. */
async function watchOnTerminal(cwd: string, env: Readonly<Record<string, string>>) {
  const child = spawn("script", ["-qec", `${process.execPath} ${MAIN} watch run`, "/dev/null"], {
    ...{ cwd, env: { ...process.env, TERM: "xterm", NO_COLOR: "", ...env } },
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let drawn = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const wasDrawn = drawn.includes("pendulum");
    drawn += text;
    if (!wasDrawn && drawn.includes("pendulum")) child.stdin.write("q");
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, drawn };
}
