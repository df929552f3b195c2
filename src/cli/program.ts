import { Command, CommanderError, Option } from "commander";
import { ConsoleOutput, outliveReaders } from "./console-output.ts";
import { addCopyCommand } from "./copy.ts";
import { addDashboardCommand } from "./dashboard.ts";
import { addDeleteCommand } from "./delete.ts";
import { addDoctorCommand } from "./doctor.ts";
import { reportError } from "./error-report.ts";
import { EXIT, EXIT_CODE_HELP, type ExitCode, type Finish } from "./exit-codes.ts";
import { addExportCommand } from "./export.ts";
import { addExamples } from "./help-examples.ts";
import { addImportCommand } from "./import.ts";
import { addListCommand } from "./list.ts";
import { addPruneCommand } from "./prune.ts";
import { addShowCommand } from "./show.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel, useLogSettings } from "./structured-log.ts";
import { addSyncCommand } from "./sync.ts";
import { addTrainCommand } from "./train.ts";
import { addVerifyCommand } from "./verify.ts";
import { addWatchCommand } from "./watch.ts";

/** Runs one command line; resolves to its exit code. Everything that goes wrong is told on standard error. */
export async function runProgram(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const finish: Finish = (code) => {
    exitCode = code;
  };
  const program = createProgram(finish);
  // Commander prints help before there is any output of ours.
  outliveReaders();
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    // Commander has printed its message already; help that was asked for is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return reportError(new ConsoleOutput(), error);
  }
  return exitCode;
}

/** Every command, with its options and its help; nothing is run. */
export function createProgram(finish: Finish): Command {
  const program = new Command("varve")
    .description("Trains reinforcement-learning agents and keeps checkpoints of them, replay buffer included.")
    .addHelpText("after", EXIT_CODE_HELP)
    .addOption(
      new Option("--log-format <format>", "messages as text, or as JSON lines on standard error")
        .choices(LOG_FORMATS)
        .env("VARVE_LOG_FORMAT")
        .default("text"),
    )
    .addOption(
      new Option("--log-level <level>", "the least that is told")
        .choices(LOG_LEVELS)
        .env("VARVE_LOG_LEVEL")
        .default("info"),
    )
    .hook("preAction", (whole) => {
      const { logFormat: format, logLevel: level } = whole.opts<{ logFormat: LogFormat; logLevel: LogLevel }>();
      useLogSettings({ format, level });
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("Use --help for the commands and their options.")
    .exitOverride();
  addTrainCommand(program, finish);
  addWatchCommand(program, finish);
  addListCommand(program, finish);
  addShowCommand(program, finish);
  addVerifyCommand(program, finish);
  addSyncCommand(program, finish);
  addPruneCommand(program, finish);
  addExportCommand(program, finish);
  addImportCommand(program, finish);
  addCopyCommand(program, finish);
  addDeleteCommand(program, finish);
  addDashboardCommand(program, finish);
  addDoctorCommand(program, finish);
  addExamples(program);
  return program;
}
