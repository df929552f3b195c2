import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";

/** Where and when a table was measured. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly system: string;
  readonly commit: string;
  /** Processes that wanted a core in the last minute, when the run began: more than a few means a shared machine. */
  readonly loadAtStart: number;
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system: `${process.platform} ${release()}`,
    commit: commit(),
    loadAtStart: Math.round(10 * (loadavg()[0] ?? 0)) / 10,
  };
}

function commit(): string {
  try {
    const options = {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    } satisfies ExecFileSyncOptionsWithStringEncoding;
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], options).trim();
  } catch (error) {
    return `unknown (${(error as Error).message.split("\n")[0]})`;
  }
}

export function machineLine(machine: Machine): string {
  const { date, cpu, cores, memoryGiB, node, system, commit, loadAtStart } = machine;
  const hardware = `${cores} × ${cpu}, ${memoryGiB} GiB, ${system}`;
  return `${date} UTC · ${hardware} · Node ${node} · commit ${commit} · load at start ${loadAtStart}`;
}
