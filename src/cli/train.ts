import { type Command, Option } from "commander";
import type { Finish } from "./exit-codes.ts";
import { parseAnyInteger, parseCount, parseIndex, parsePort } from "./flags.ts";
import { runTraining } from "./train-run.ts";
import type { TrainFlags } from "./train-settings.ts";

/** Adds `varve train`. */
export function addTrainCommand(program: Command, finish: Finish): void {
  program
    .command("train")
    .description("train agents, with a checkpoint of everything after each generation")
    .argument("[environment]", "market, pendulum or mountain-car-continuous (default: market)")
    .option("--generations <n>", "generations to train in all", parseCount)
    .option("--population <n>", "agents", parseCount)
    .option("--seed <n>", "seed of every random stream", parseAnyInteger)
    .option("--save-every <n>", "generations between checkpoints", parseCount)
    .option("--capacity <n>", "transitions that the replay buffer holds", parseCount)
    .option("--store <url>", "where checkpoints go (default: a new folder such as runs/market-001)")
    .option("--local <folder>", "folder on local disk that checkpoints are committed to first")
    .option("--resume", "go on with a run: that of --store, or the newest under runs/")
    .option("--step <n>", "with --resume: go on from the checkpoint of this generation", parseIndex)
    .option("--stop-within <seconds>", "time for ending after SIGTERM, and for the store after Ctrl-C (25)", parseIndex)
    .option("--config <file>", "settings as JSON; flags win (default: varve.config.json, if it is there)")
    .addOption(
      new Option("--on-fenced <what>", "when another process takes the run over: train on unsaved, or end")
        .choices(["continue", "stop"])
        .default("continue"),
    )
    .option("--dashboard [port]", "show the run in a browser while it trains (default: a port that is free)", parsePort)
    .option("--tensorboard <folder>", "write scalars for TensorBoard there, in a file of each process's own")
    .option("--json", "print one JSON object on standard output, messages on standard error")
    .option("--quiet", "print warnings, errors and the result only")
    .action(async (environment: string | undefined, flags: TrainFlags) => {
      finish(await runTraining(environment, flags));
    });
}
