import type { Command } from "commander";
import { systemSleep } from "../base/timers.ts";
import { type Dashboard, startDashboard } from "../dashboard/dashboard.ts";
import { ConfigError } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { parsePort } from "./flags.ts";
import { plural } from "./format.ts";
import { assertFolder } from "./opened-run.ts";
import { localFolderOf } from "./train-place.ts";

interface DashboardFlags {
  readonly port?: number;
  readonly host?: string;
  readonly token?: string;
  readonly local?: string;
  readonly json?: boolean;
}

const HELP = `
Only this machine can connect, unless --host names another address of it; whoever connects needs the token, which is
part of the address that is printed. Nothing can be changed from there. From another machine, a tunnel is safest:
  ssh -L 8080:127.0.0.1:8080 trainer     with --port 8080 on the trainer's side

A token of your own is better given as VARVE_DASHBOARD_TOKEN than as --token, which other users of the machine can see.

Examples:
  varve dashboard runs/market-001
  varve dashboard runs/market-001 runs/market-002 --port 8080
  varve dashboard gs://bucket/runs/market-003 --local runs/market-003

Ends with Ctrl-C, and with 0 then.`;

/** Adds `varve dashboard`. */
export function addDashboardCommand(program: Command, finish: Finish): void {
  program
    .command("dashboard")
    .description("show runs in a browser: finished ones, and those that train elsewhere")
    .argument("<stores...>", "the runs' folders or URLs")
    .option("--port <n>", "port (default: one that is free)", parsePort)
    .option("--host <address>", "address of this machine to serve at (default: 127.0.0.1)")
    .option("--token <token>", "16 or more of A-Z a-z 0-9 . _ ~ - (default: a random one)")
    .option("--local <folder>", "with one store: the run's folder on local disk before it, where its log is")
    .option("--json", "print one object with the address, once it is served")
    .addHelpText("after", HELP)
    .action(async (stores: string[], flags: DashboardFlags) => {
      finish(await serve(stores, flags));
    });
}

async function serve(stores: readonly string[], flags: DashboardFlags): Promise<ExitCode> {
  const output = new ConsoleOutput(flags);
  const { host, port, local } = flags;
  if (local !== undefined && stores.length > 1) {
    throw new ConfigError("--local is the folder of one run, and there are several");
  }
  for (const folder of [...stores.map((store) => localFolderOf({ store, local: undefined })), local ?? null]) {
    if (folder !== null) assertFolder(folder, folder);
  }
  const runs = await Promise.all(stores.map(async (store) => ({ store: await storeNamed(store), local })));
  const token = flags.token ?? (process.env["VARVE_DASHBOARD_TOKEN"] || undefined);
  const { promise: lost, reject } = Promise.withResolvers<never>();
  const dashboard = await startDashboard({ runs, host, port, token, onLost: reject });
  tell(output, dashboard, stores.length);
  try {
    await Promise.race([stopSignal(), lost]);
  } finally {
    await dashboard.close();
  }
  return EXIT.ok;
}

function tell(output: ConsoleOutput, dashboard: Dashboard, count: number): void {
  const { host, port, token, urlWithToken: url } = dashboard;
  output.result({ url, host, port, token }, () => `${plural(count, "run")} at ${url}`);
  output.message("Ctrl-C ends it.");
}

const FOR_EVER_MS = Number.MAX_SAFE_INTEGER;

/** Resolves at Ctrl-C or SIGTERM; a second one ends the process as if nobody had ever listened. */
async function stopSignal(): Promise<void> {
  const heard = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => heard.abort());
  // Beside waiting, it keeps the process alive.
  await systemSleep(FOR_EVER_MS, heard.signal).catch((error: unknown) => {
    if (!heard.signal.aborted) throw error;
  });
}
