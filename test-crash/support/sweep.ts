import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { problemsAfterDeath } from "./aftermath.ts";
import type { Medium } from "./medium.ts";
import { PLANTED_BUGS, type PlantedBug } from "./planted-store.ts";
import { liveOnce } from "./traced-life.ts";

/** System calls by what they do; machines differ in which of two names is used. */
export const CALLS = {
  open: "openat",
  write: "pwrite64",
  sync: "?fsync,?fdatasync",
  link: "?link,?linkat",
  rename: "?rename,?renameat,?renameat2",
  unlink: "?unlink,?unlinkat",
  mkdir: "?mkdir,?mkdirat",
} as const;

export type Call = keyof typeof CALLS;

/** `begin` makes the run and saves; `resume` goes on with one, saves, and prunes what retention drops. */
export type Phase = "begin" | "resume";

const SAVES = 2;
/** More calls than any life makes: a sweep that does not end is a failure of its own. */
const MOST_POINTS = 400;

export interface SweepOptions {
  readonly medium: Medium;
  readonly phase: Phase;
  readonly call: Call;
  readonly planted?: PlantedBug | undefined;
  /** For planted bugs: one problem is enough. */
  readonly endsAtProblem?: boolean | undefined;
  /** The part of the command that repeats one point, such as "test-crash/kills". */
  readonly suite: string;
}

export interface Sweep {
  readonly points: number;
  /** Each with the command that repeats it. */
  readonly problems: readonly string[];
}

/** Only this point, where `VARVE_POINT` names one: phase, call and number, such as "resume:sync:12". */
function chosenPoint(phase: Phase, call: Call): number | null {
  const [wantedPhase, wantedCall, number] = (process.env["VARVE_POINT"] ?? "").split(":");
  if (wantedPhase === "" || wantedPhase === undefined) return null;
  return wantedPhase === phase && wantedCall === call ? Number(number) : 0;
}

/** Whether everything is to run, and counts of it are to be reached. */
export const isWholeSweep: boolean = (process.env["VARVE_POINT"] ?? "") === "";

/** The planted bug that one point is repeated with. */
export const chosenBug: PlantedBug | undefined = PLANTED_BUGS.find((bug) => bug === process.env["VARVE_PLANTED"]);

/**
 * Kills the process that lives a run on entry to its n-th call, for every n until it ends by itself, cuts the medium,
 * and looks at what is left.
 */
export async function sweepCall(options: SweepOptions): Promise<Sweep> {
  const { phase, call, planted } = options;
  const chosen = chosenPoint(phase, call);
  const problems: string[] = [];
  const [first, last] = chosen === null ? [1, MOST_POINTS] : [chosen, chosen];
  if (chosen === 0) return { points: 0, problems };
  for (let number = first; number <= last; number++) {
    const { found, hasEnded } = await tryPoint(options, number).catch((error: unknown) => {
      return { found: [String(error)], hasEnded: true };
    });
    const bug = planted === undefined ? "" : `VARVE_PLANTED=${planted} `;
    const repeat = `${bug}VARVE_POINT=${phase}:${call}:${number} npm run test:crash -- ${options.suite}`;
    problems.push(...found.map((problem) => `${phase}, ${call} ${number}: ${problem}; repeat: ${repeat}`));
    if (hasEnded && chosen !== null) problems.push(`${phase}, ${call}: there are fewer than ${number} calls`);
    if (hasEnded || (options.endsAtProblem && found.length > 0)) return { points: number - first + 1, problems };
  }
  if (chosen === null) problems.push(`${phase}, ${call}: the process never ended by itself`);
  return { points: last - first + 1, problems };
}

async function tryPoint(
  { medium, phase, call, planted }: SweepOptions,
  number: number,
): Promise<{ readonly found: readonly string[]; readonly hasEnded: boolean }> {
  const home = join(medium.root, `${phase}-${call}-${number}`);
  const folder = join(home, "runs", "run");
  const known = phase === "resume" ? SAVES : 0;
  await mkdir(home);
  if (phase === "resume") await cp(await firstLife(medium), folder, { recursive: true });
  await medium.settle();
  const injection = { calls: CALLS[call], what: `signal=KILL:when=${number}` };
  const life = await liveOnce(folder, { saves: SAVES, injection, planted });
  await medium.cut();
  const found = [...(await problemsAfterDeath(folder, Math.max(known, life.acknowledged)))];
  const wasKilled = life.signal === "SIGKILL";
  if (!wasKilled && !life.ended) found.push(`the process ended with ${life.code ?? life.signal}: ${life.errors}`);
  // Nothing but the process fails here.
  found.push(...life.failures.map(({ failed, message }) => `${failed} failed: ${message}`));
  if (found.length === 0 || planted !== undefined) await rm(home, { recursive: true, force: true });
  return { found, hasEnded: life.ended };
}

/** A run that lived once and was closed, for resuming copies of. */
async function firstLife(medium: Medium): Promise<string> {
  const folder = join(medium.root, "first-life");
  const made = await mkdir(folder, { recursive: true });
  if (made === undefined) return folder;
  const life = await liveOnce(folder, { saves: SAVES });
  if (!life.ended) throw new Error(`The first life ended with ${life.code ?? life.signal}: ${life.errors}`);
  return folder;
}
