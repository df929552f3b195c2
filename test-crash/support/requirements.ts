import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** A tool that a crash test needs, and the Debian package that has it. */
export interface Tool {
  readonly command: string;
  readonly package: string;
  /** Says why the tool is of no use on this machine; null if it is. */
  readonly obstacle?: (() => string | null) | undefined;
}

export const STRACE: Tool = { command: "strace", package: "strace", obstacle: obstacleToTracing };
export const MKFS_EXT4: Tool = { command: "mkfs.ext4", package: "e2fsprogs", obstacle: obstacleToMounting };
export const MKFS_XFS: Tool = { command: "mkfs.xfs", package: "xfsprogs", obstacle: obstacleToMounting };
export const PERL: Tool = { command: "perl", package: "perl-base" };

const isRoot: boolean = process.getuid?.() === 0;

/** Where Debian keeps what is root's, which is not on everybody's path. */
const environment = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };

const succeeds = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { env: environment }).status === 0;
const has = ({ command }: Tool): boolean => succeeds("sh", "-c", 'command -v "$0"', command);

/**
 * Says what is missing for a test, after one try to install it where that is possible; null for nothing. What is
 * missing is told as a line that begins with SKIPPED: no test goes quietly.
 *
 * @throws Error instead of skipping with VARVE_NO_SKIPS=1, for machines that are known to have everything
 */
export function missing(what: string, tools: readonly Tool[], needsRoot: boolean): string | null {
  const reason = reasonOf(tools, needsRoot);
  if (reason === null) return null;
  console.log(`SKIPPED: ${what}: ${reason}`);
  if (process.env["VARVE_NO_SKIPS"] === "1") throw new Error(`${what} would be skipped: ${reason}`);
  return reason;
}

function reasonOf(tools: readonly Tool[], needsRoot: boolean): string | null {
  if (process.platform !== "linux") return "it needs Linux";
  if (needsRoot && !isRoot) return "it needs root";
  for (const tool of tools) {
    if (!has(tool) && isRoot) install(tool);
    if (!has(tool)) return `there is no ${tool.command} (Debian package ${tool.package})`;
    const obstacle = tool.obstacle?.() ?? null;
    if (obstacle !== null) return obstacle;
  }
  return null;
}

function install({ package: name }: Tool): void {
  const options = { env: { ...environment, DEBIAN_FRONTEND: "noninteractive" }, timeout: 240_000 };
  const command = ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", name];
  if (spawnSync("apt-get", command, options).status === 0) return;
  spawnSync("apt-get", ["update", "-q"], options);
  spawnSync("apt-get", command, options);
}

function obstacleToTracing(): string | null {
  const scope = "/proc/sys/kernel/yama/ptrace_scope";
  const isLimited = existsSync(scope) && readFileSync(scope, "utf8").trim() !== "0";
  if (isLimited && !isRoot) return `attaching strace to a process needs root here (${scope})`;
  return succeeds("strace", "-o", "/dev/null", "true") ? null : "strace may not trace here";
}

function obstacleToMounting(): string | null {
  return succeeds("losetup", "-f") ? null : "there are no loop devices here";
}
