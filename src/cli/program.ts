import { Command, CommanderError } from "commander";
import { ConsoleOutput } from "./console-output.ts";
import { addDoctorCommand } from "./doctor.ts";
import { reportError } from "./error-report.ts";
import { EXIT, EXIT_CODE_HELP, type ExitCode, type Finish } from "./exit-codes.ts";
import { addListCommand } from "./list.ts";
import { addPruneCommand } from "./prune.ts";
import { addShowCommand } from "./show.ts";
import { addSyncCommand } from "./sync.ts";
import { addTrainCommand } from "./train.ts";
import { addVerifyCommand } from "./verify.ts";

/** Runs one command line; resolves to its exit code. Everything that goes wrong is told on standard error. */
export async function runProgram(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const finish: Finish = (code) => {
    exitCode = code;
  };
  const program = new Command("varve")
    .description("Trains reinforcement-learning agents and keeps checkpoints of them, replay buffer included.")
    .addHelpText("after", EXIT_CODE_HELP)
    .showHelpAfterError("Use --help for the commands and their options.")
    .exitOverride();
  addTrainCommand(program, finish);
  addListCommand(program, finish);
  addShowCommand(program, finish);
  addVerifyCommand(program, finish);
  addSyncCommand(program, finish);
  addPruneCommand(program, finish);
  addDoctorCommand(program, finish);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    // Commander has printed its message already; help that was asked for is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return reportError(new ConsoleOutput(), error);
  }
  return exitCode;
}
