import { readdir } from "node:fs/promises";
import { problemsAfterDeath, problemsOfRun } from "../../test-crash/support/aftermath.ts";
import type { PlantedBug } from "../../test-crash/support/planted-store.ts";
import { type Failure, type LifeOptions, liveOnce } from "../../test-crash/support/traced-life.ts";

export interface Trouble {
  readonly folder: string;
  /** Called between two saves: from then on the next one must fail. */
  readonly cause: (processId: number) => Promise<void>;
  /** Called before the save after that. */
  readonly cure: (processId: number) => Promise<void>;
  readonly planted?: PlantedBug | undefined;
  readonly life?: Pick<LifeOptions, "user" | "injection"> | undefined;
}

export interface Outcome {
  /** The one save that was made in trouble; null if it was told to be durable. */
  readonly failure: Failure | null;
  /** What is not as it has to be, in words. */
  readonly problems: readonly string[];
}

const SAVES = 4;
const IN_TROUBLE = 1;

/**
 * Lets a real process train, save, get into trouble, save in vain, get out of it, and save again; and looks at the run
 * while the trouble lasts and after the process ended.
 */
export async function liveThroughTrouble({ folder, cause, cure, planted, life }: Trouble): Promise<Outcome> {
  const problems: string[] = [];
  const { failures, acknowledged, trained, ended, errors, code, signal } = await liveOnce(folder, {
    ...{ saves: SAVES, planted, ...life },
    beforeSave: async (save, processId) => {
      if (save === IN_TROUBLE) await cause(processId);
      if (save !== IN_TROUBLE + 1) return;
      problems.push(...(await unfinishedIn(folder)).map((name) => `${name} stays after the save failed`));
      problems.push(...(await problemsOfRun(folder, IN_TROUBLE)).map((problem) => `in trouble: ${problem}`));
      await cure(processId);
    },
  });
  if (!ended) problems.push(`the process ended with ${code ?? signal}: ${errors}`);
  if (trained !== SAVES) problems.push(`it trained to step ${trained} of ${SAVES}`);
  const [failure = null, ...others] = failures;
  for (const { failed, message } of others) problems.push(`${failed} failed as well: ${message}`);
  if (acknowledged !== SAVES) problems.push(`step ${acknowledged} is the newest saved of ${SAVES}`);
  problems.push(...(await problemsAfterDeath(folder, acknowledged)));
  return { failure, problems };
}

async function unfinishedIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.includes(".tmp-"));
}
