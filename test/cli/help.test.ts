import { describe, expect, test } from "vitest";
import { EXIT, EXIT_CODE_HELP } from "../../src/cli/exit-codes.ts";
import { createProgram } from "../../src/cli/program.ts";
import { runVarve, startVarve, temporaryFolder } from "./run-varve.ts";

/** All commands, each of which notes its arguments instead of doing anything. */
function silentProgram() {
  const parsed: string[] = [];
  const program = createProgram(() => undefined);
  for (const command of program.commands) {
    command.action(() => void parsed.push(command.name())).configureOutput({ writeErr: () => undefined });
  }
  return { program, parsed };
}

function helpOf(name: string): string {
  let text = "";
  const { program } = silentProgram();
  const command = program.commands.find((each) => each.name() === name);
  command?.configureOutput({ writeOut: (part) => void (text += part) }).outputHelp();
  return text;
}

/** The command lines of a help text, as words: what follows `$ varve`. */
function examplesIn(help: string): string[][] {
  return [...help.matchAll(/^ {2}(?:\$ )?varve (.*?)(?: {2,}#.*)?$/gm)].map(([, line = ""]) => line.trim().split(/ +/));
}

const names = silentProgram().program.commands.map((command) => command.name());

describe("help", () => {
  test.each(["--help", "train --help", "help list"])("varve %s ends quietly when nobody reads it", async (line) => {
    const helping = startVarve(line.split(" "), { cwd: temporaryFolder() });
    helping.child.stdout?.destroy();
    expect(await helping.finished).toMatchObject({ code: 0, stderr: "" });
  });

  test("varve --help lists every command and every exit code", async () => {
    const { code, stdout, stderr } = await runVarve(["--help"], { cwd: temporaryFolder() });
    expect([code, stderr]).toEqual([0, ""]);
    for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    expect(stdout).toContain(EXIT_CODE_HELP.trim());
    const listed = [...EXIT_CODE_HELP.matchAll(/^ {2}(\d+) /gm)].map(([, number]) => Number(number));
    expect(listed).toEqual(Object.values(EXIT));
  });

  test.each(names)("%s has examples, each of which its parser takes, and says how programs read it", async (name) => {
    const examples = examplesIn(helpOf(name));
    expect(examples.length).toBeGreaterThan(0);
    for (const words of examples) {
      const { program, parsed } = silentProgram();
      await program.parseAsync(words, { from: "user" });
      expect(parsed).toEqual([name]);
    }
    expect(helpOf(name)).toMatch(/^ {2}--json /m);
  });

  test("an example with an option that does not exist would be noticed", async () => {
    const { program } = silentProgram();
    await expect(program.parseAsync(["list", "runs/x", "--jsno"], { from: "user" })).rejects.toMatchObject({
      code: "commander.unknownOption",
    });
  });

  test.each(names)("%s names the option that was meant, its own and those of all", async (name) => {
    const { program } = silentProgram();
    const command = program.commands.find((each) => each.name() === name);
    if (command === undefined) throw new Error(`No command ${name}`);
    let told = "";
    command.configureOutput({ writeErr: (part) => void (told += part) });
    // One that has to be given is asked for first.
    const needed = command.options.filter(({ mandatory }) => mandatory).flatMap(({ long }) => [long ?? "", "zarr"]);
    const flags = [...command.options, ...program.options].map(({ long }) => long ?? "");
    expect(flags).toContain("--json");
    for (const flag of flags) {
      told = "";
      const line = [name, ...needed, `${flag}x`];
      await expect(program.parseAsync(line, { from: "user" })).rejects.toMatchObject({
        code: "commander.unknownOption",
      });
      expect(told).toContain(`error: unknown option '${flag}x'\n(Did you mean ${flag}?)`);
    }
  });

  test.each(["lsit runs/x", "list runs/x --jsno", "show", "show runs/x --step two"])(
    "varve %s is refused with 2 and the next step",
    async (line) => {
      const { code, stdout, stderr } = await runVarve(line.split(" "), { cwd: temporaryFolder() });
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("--help");
    },
  );
});
