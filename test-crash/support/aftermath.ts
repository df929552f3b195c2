import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Checkpointer, stateHash } from "../../src/index.ts";
import { type CrashBuffer, createCrashBuffer, hashAt, stateAt, trainTo } from "./run-content.ts";

/** Names that may lie in a run's folder, besides unfinished files. */
const OWN_NAMES =
  /^(?:varve\.json|writers\/\d{8}\.(?:json|closed)|markers\/[^/]+|checkpoints\/\d{8}-\d{12}\.json|packs\/\d{8}-[0-9a-f]{64}\.pack|logs\/metrics\.jsonl)$/;

const isUnfinished = (name: string): boolean => /(?:^|\/)\.tmp-[^/]+$/.test(name);

/**
 * What is wrong with a run whose process died, in words; nothing in a good one. The run is resumed, saved to and pruned
 * on the way, as the next process would do it.
 *
 * @param acknowledged - the newest step that was told to be durable
 */
export async function problemsAfterDeath(folder: string, acknowledged: number): Promise<string[]> {
  try {
    const problems = [...(await strangersIn(folder)), ...(await tornFilesIn(folder))];
    return [...problems, ...(await problemsOfNextLife(folder, acknowledged))];
  } catch (error) {
    return [`the next process fails: ${error instanceof Error ? error.message : String(error)}`];
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** Files of a run's folder that are neither its own nor unfinished ones of a process that died. */
export async function strangersIn(folder: string): Promise<string[]> {
  const strangers = (await filesIn(folder)).filter((name) => !OWN_NAMES.test(name) && !isUnfinished(name));
  return strangers.map((name) => `${name} does not belong to a run`);
}

async function tornFilesIn(folder: string): Promise<string[]> {
  const torn: string[] = [];
  for (const name of await filesIn(folder)) {
    if (!name.endsWith(".json") || isUnfinished(name)) continue;
    const text = await readFile(join(folder, name), "utf8");
    if (!text.endsWith("}\n") && !text.endsWith("}")) torn.push(`${name} is torn`);
  }
  return torn;
}

/**
 * What is wrong with a run as somebody finds it who only looks.
 *
 * @param acknowledged - the newest step that was told to be durable
 */
export async function problemsOfRun(folder: string, acknowledged: number): Promise<string[]> {
  const checkpointer = await Checkpointer.open({ store: folder, readOnly: true });
  try {
    return (await lookAt(checkpointer, acknowledged)).problems;
  } finally {
    await checkpointer.close();
  }
}

interface Look {
  readonly buffer: CrashBuffer;
  readonly step: number;
  readonly problems: string[];
}

async function lookAt(checkpointer: Checkpointer, acknowledged: number): Promise<Look> {
  const { checkpoints } = await checkpointer.verify({ readData: true });
  const problems = checkpoints.flatMap((checkpoint) => checkpoint.problems.map((problem) => `damaged: ${problem}`));
  const buffer = createCrashBuffer();
  const restored = await checkpointer.restore({ buffer });
  const step = restored?.step ?? 0;
  if (step < acknowledged) problems.push(`checkpoint ${acknowledged} was told to be durable and is lost`);
  if (restored !== null && stateHash({ buffer, state: restored.state }) !== hashAt(step))
    problems.push(`checkpoint ${step} is another than was saved`);
  return { buffer, step, problems };
}

async function problemsOfNextLife(folder: string, acknowledged: number): Promise<string[]> {
  const checkpointer = await Checkpointer.open({ store: folder, keepLast: 2, gracePeriodMs: 0 });
  const problems: string[] = [];
  try {
    const { buffer, step, problems: found } = await lookAt(checkpointer, acknowledged);
    problems.push(...found);
    const next = Math.max(step, acknowledged) + 1;
    trainTo(buffer, next);
    await checkpointer.save({ step: next, buffer, state: stateAt(next) }).durable;
    await checkpointer.prune({ takeOver: true });
    const after = await lookAt(checkpointer, next);
    problems.push(...after.problems.map((problem) => `after the next save: ${problem}`));
    const { unnamedPacks } = await checkpointer.verify();
    if (unnamedPacks > 0) problems.push(`${unnamedPacks} packs that nothing names stay after a prune`);
  } finally {
    await checkpointer.close();
  }
  const litter = (await filesIn(folder)).filter(isUnfinished);
  return [...problems, ...litter.map((name) => `${name} stays after the next process`)];
}
