import type { Command } from "commander";

/** What `varve <command> --help` ends with: command lines as a person would type them, and what they do. */
const EXAMPLES: Readonly<Record<string, readonly (readonly [commandLine: string, what: string])[]>> = {
  train: [
    ["varve train", "the market, into a new folder under runs/"],
    ["varve train pendulum --generations 50 --seed 7", "another task, for longer"],
    ["varve train --store gs://my-bucket/run-7 --local runs/run-7", "into a cloud, by way of local disk"],
    ["varve train --dashboard --tensorboard runs/events", "to be looked at while it trains"],
    ["varve train --log-format json --log-level warn", "messages for whoever collects logs"],
    ["varve train --resume", "go on with the newest run"],
    ["varve train --resume --store runs/market-001 --step 12", "go on from the checkpoint of generation 12"],
  ],
  watch: [
    ["varve watch runs/market-001", "until q is pressed"],
    ["varve watch gs://my-bucket/run-7 --local runs/run-7", "a run in a cloud, with its log on this machine"],
    ["varve watch runs/market-001 --once", "what there is, and no more"],
    ["varve watch runs/market-001 --json", "records, for a program"],
  ],
  list: [
    ["varve list runs/market-001", "the checkpoints of a run"],
    ["varve list s3://my-bucket/run-7 --json", "the same of a run in a cloud, for a program"],
  ],
  show: [
    ["varve show runs/market-001", "what is in the newest checkpoint"],
    ["varve show runs/market-001 --step 12", "the one of generation 12"],
    ["varve show runs/market-001 --sequence 3 --json", "exactly the third, with all of its state tree"],
  ],
  verify: [
    ["varve verify runs/market-001", "every byte of a run"],
    ["varve verify gs://my-bucket/run-7 --local runs/run-7", "both places of a run"],
    ["varve verify s3://my-bucket/run-7 --no-data", "quickly: whether everything is there"],
  ],
  sync: [["varve sync runs/run-7 gs://my-bucket/run-7", "send what the cloud lacks"]],
  prune: [
    ["varve prune runs/market-001 --keep-last 3 --dry-run", "what would be deleted"],
    ["varve prune runs/market-001 --keep-last 3 --keep-best validation:max:1", "the newest three, and the best"],
    ["varve prune runs/market-001 --quarantine", "move unreadable checkpoints aside"],
  ],
  doctor: [
    ["varve doctor s3://my-bucket/run-7", "whether a run could live there, and which right is missing"],
    ["varve doctor ./runs/run-7 --json", "the same of a folder, for a program"],
  ],
};

/** Adds examples to the help of every command that has some here. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    const examples = EXAMPLES[command.name()];
    if (examples !== undefined) command.addHelpText("after", formatExamples(examples));
  }
}

function formatExamples(examples: readonly (readonly [string, string])[]): string {
  const width = Math.max(...examples.map(([commandLine]) => commandLine.length));
  const lines = examples.map(([commandLine, what]) => `  $ ${commandLine.padEnd(width)}  # ${what}`);
  return `\nExamples:\n${lines.join("\n")}`;
}
