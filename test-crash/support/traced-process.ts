import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { useCompileCache } from "./compile-cache.ts";

/** What the tracer does to the process: `strace`'s words for which calls, and what becomes of them. */
export interface Injection {
  /** Names of system calls, with commas between them. */
  readonly calls: string;
  /**
   * Such as "signal=KILL:when=3" or "error=EIO:when=2+". Only what a kernel may do: libuv checks no result against what
   * was asked for, and breaks memory where "retval=" says that more bytes were written.
   */
  readonly what: string;
  /** Calls on these paths only. */
  readonly paths?: readonly string[] | undefined;
  /** Calls that are written down beside those, and where to. */
  readonly log?: { readonly calls: string; readonly file: string } | undefined;
}

/** No life takes a tenth of it: one that does hangs. */
const DEADLINE_MS = 240_000;

export interface TracedOptions {
  readonly injection?: Injection | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Called when the process has told `opened` and is traced: lets it go on, as often as it waits. */
  readonly lead?: ((child: LedProcess) => Promise<void>) | undefined;
}

export interface LedProcess {
  readonly processId: number;
  /** What it has told so far. */
  output(): string;
  hasEnded(): boolean;
  goOn(): void;
}

export interface TracedEnd {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/**
 * Runs a program of Node's that tells `opened` and then waits for a byte, and traces it from there on: what it did to
 * start, such as loading its source, is not counted.
 */
export async function runTraced(program: readonly string[], options: TracedOptions = {}): Promise<TracedEnd> {
  const { injection, environment, lead } = options;
  // One thread for all file calls: the tracer counts per thread.
  const own = { UV_THREADPOOL_SIZE: "1", NODE_COMPILE_CACHE: useCompileCache() };
  const env = { ...process.env, ...own, ...environment };
  const child = spawn(process.execPath, program, { env, stdio: ["pipe", "pipe", "pipe"] });
  const processId = child.pid ?? 0;
  const exited = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  let [output, errors] = ["", ""];
  const opened = Promise.withResolvers<void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.includes('"opened"')) opened.resolve();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  // It may be dead by then: that is what most of these tests are about.
  child.stdin.on("error", () => undefined);
  const goOn = (): void => void child.stdin.write("\n");
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  let tracer: ChildProcess | null = null;
  let hangs = false;
  const deadline = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, DEADLINE_MS);
  try {
    await Promise.race([opened.promise, exited]);
    if (injection !== undefined && !hasEnded()) tracer = await trace(processId, injection);
    goOn();
    await lead?.({ processId, output: () => output, hasEnded, goOn });
    child.stdin.end();
  } catch (error) {
    clearTimeout(deadline);
    child.kill("SIGKILL");
    throw error;
  }
  const [code, signal] = await exited;
  clearTimeout(deadline);
  if (hangs) throw new Error(`The process hangs; it told: ${output}${errors}`);
  if (tracer !== null && tracer.exitCode === null && tracer.signalCode === null) await once(tracer, "close");
  return { code, signal, output, errors };
}

/** Attaches `strace` to every thread of a process. */
async function trace(processId: number, { calls, what, paths = [], log }: Injection): Promise<ChildProcess> {
  const traced = log === undefined ? calls : `${calls},${log.calls}`;
  const only = paths.flatMap((path) => ["-P", path]);
  const plan = ["-e", `trace=${traced}`, "-e", `inject=${calls}:${what}`, ...only];
  const tracer = spawn("strace", ["-f", "-qq", "-o", log?.file ?? "/dev/null", ...plan, "-p", String(processId)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  tracer.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  while (!isTraced(processId)) {
    if (tracer.exitCode !== null) throw new Error(`strace ended with ${tracer.exitCode}: ${said}`);
    await pause(2);
  }
  return tracer;
}

function isTraced(processId: number): boolean {
  const folder = `/proc/${processId}/task`;
  return readdirSync(folder).every((thread) =>
    /^TracerPid:\t[1-9]/m.test(readFileSync(`${folder}/${thread}/status`, "utf8")),
  );
}
