import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { PlantedBug } from "./planted-store.ts";
import { type Injection, type LedProcess, runTraced } from "./traced-process.ts";

const LIFE = join(import.meta.dirname, "life-process.ts");

export interface LifeOptions {
  readonly saves?: number | undefined;
  readonly injection?: Injection | undefined;
  readonly planted?: PlantedBug | undefined;
  /** Called before each save, from 0; the process waits for it. */
  readonly beforeSave?: ((save: number, processId: number) => Promise<void>) | undefined;
  /** The user that it is from when the run is open. */
  readonly user?: number | undefined;
}

/** A call that failed, as the process told it. */
export interface Failure {
  readonly failed: "restore" | "save" | "prune" | "close";
  /** Whether it is an error of Varve's. */
  readonly isTyped: boolean;
  readonly message: string;
  readonly kind?: string | undefined;
  readonly neededBytes?: number | null | undefined;
  readonly freeBytes?: number | null | undefined;
}

export interface Life {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  /** The newest step that the process was told to be durable, and told us; 0 for none. */
  readonly acknowledged: number;
  /** The step up to which it trained, whatever became of the saves. */
  readonly trained: number;
  readonly failures: readonly Failure[];
  readonly ended: boolean;
  readonly errors: string;
}

/** What it tells, one to a line. */
interface Fact extends Partial<Failure> {
  readonly trained?: number;
  readonly durable?: number;
  readonly ended?: true;
}

/** Runs one life of the run in `folder`, to its end or to what the injection makes of it. */
export async function liveOnce(folder: string, options: LifeOptions = {}): Promise<Life> {
  const { saves = 2, injection, planted, beforeSave, user } = options;
  const environment = {
    VARVE_PLANTED: planted ?? "",
    VARVE_GATED: beforeSave === undefined ? "" : "1",
    ...(user === undefined ? {} : { VARVE_USER: String(user) }),
  };
  const lead = async (child: LedProcess): Promise<void> => {
    if (beforeSave === undefined) return;
    for (let save = 0; save < saves; save++) {
      while (factsOf(child.output()).filter(isEndOfSave).length < save && !child.hasEnded()) await pause(5);
      await beforeSave(save, child.processId);
      child.goOn();
    }
  };
  const end = await runTraced([LIFE, folder, String(saves)], { injection, environment, lead });
  const { code, signal, errors, output } = end;
  return { code, signal, errors, ...summaryOf(factsOf(output)) };
}

function factsOf(output: string): Fact[] {
  const whole = output.slice(0, output.lastIndexOf("\n") + 1).split("\n");
  return whole.filter((line) => line !== "").map((line) => JSON.parse(line) as Fact);
}

const isEndOfSave = ({ durable, failed }: Fact): boolean => durable !== undefined || failed === "save";

function summaryOf(facts: readonly Fact[]): Pick<Life, "acknowledged" | "trained" | "failures" | "ended"> {
  return {
    acknowledged: Math.max(0, ...facts.map(({ durable = 0 }) => durable)),
    trained: Math.max(0, ...facts.map(({ trained = 0 }) => trained)),
    failures: facts.filter((fact): fact is Failure => fact.failed !== undefined),
    ended: facts.some(({ ended }) => ended),
  };
}
