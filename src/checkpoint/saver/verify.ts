import type { CheckpointHeader } from "../../manifest/lineage.ts";
import { RUN_FILE_NAME } from "../../manifest/names.ts";
import { unnamedPacks } from "../../manifest/retention.ts";
import type { TierProblem, VerifiedCheckpoint, VerifiedTier, VerifyReport } from "../messages.ts";
import { TierInspection } from "./tier-inspection.ts";
import type { Tiers } from "./tiers.ts";

/** Looks at a run whose retention removes all that a listing names; from the second on, only new packs are read. */
const MAX_ROUNDS = 10;

/**
 * Checks every checkpoint of a run: that its packs are there, and with `readData` every byte of every one. Each tier is
 * checked by itself: what reading would take from the other is damage all the same. What a live trainer's retention
 * removes meanwhile is left out; where that is every one, what is there then is checked, a few times.
 */
export async function verifyRun(tiers: Tiers, readData: boolean, signal: AbortSignal): Promise<VerifyReport> {
  let inspections = await inspect(tiers, readData, signal, []);
  for (let round = 1; round < MAX_ROUNDS && inspections.some(({ isAllRemoved }) => isAllRemoved); round++) {
    inspections = await inspect(tiers, readData, signal, inspections);
  }
  const headers = inspections.flatMap(({ history }) => history.whole);
  const names = [...new Set(inspections.flatMap(namesOf))].sort();
  const checkpoints = names.map((name) => verifyCheckpoint(name, inspections));
  const verified = inspections.map((inspection) => verifyTier(inspection, inspections, headers));
  const sizes = new Map(inspections.flatMap((inspection) => [...inspection.sizes]));
  return { checkpoints, tiers: verified, ...amountsOf(sizes, headers), isIntact: verified.every((t) => t.isIntact) };
}

/** @param before - inspections of the tiers whose packs need not be read again; none at first */
async function inspect(
  tiers: Tiers,
  readData: boolean,
  signal: AbortSignal,
  before: readonly TierInspection[],
): Promise<TierInspection[]> {
  const isCache = (index: number): boolean => tiers.second !== null && index === 0;
  const inspections = await Promise.all(
    tiers.all.map((store, index) => TierInspection.of(store, isCache(index), signal, before[index])),
  );
  const named = inspections.flatMap(({ history }) => history.whole).flatMap(({ packs }) => packs);
  const refs = new Map(named.map((ref) => [ref.name, ref]));
  // One tier after the other: the local one need not wait for the network, and memory holds the packs of one only.
  for (const inspection of inspections) await inspection.check([...refs.values()], readData, signal);
  for (const inspection of inspections) await inspection.leaveOutRemoved(signal);
  return inspections;
}

function namesOf({ history }: TierInspection): string[] {
  return [...history.whole, ...history.broken].map(({ name }) => name);
}

function amountsOf(
  sizes: ReadonlyMap<string, number>,
  headers: readonly CheckpointHeader[],
): Pick<VerifyReport, "packs" | "bytes" | "unnamedPacks"> {
  const packs = [...sizes].map(([name, sizeBytes]) => ({ name, sizeBytes }));
  return {
    packs: packs.length,
    bytes: packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    unnamedPacks: unnamedPacks(packs, headers).length,
  };
}

function verifyTier(
  inspection: TierInspection,
  all: readonly TierInspection[],
  headers: readonly CheckpointHeader[],
): VerifiedTier {
  const others = all.filter((other) => other !== inspection);
  const isWholeElsewhere = (object: string): boolean =>
    others.some(
      (other) => other.header(object) !== undefined || other.isPackWhole(object) || other.isLabelWhole(object),
    );
  const problems: TierProblem[] = [...inspection.problems()].map(([object, { kind, problem }]) => ({
    ...{ object, kind, problem, isWholeElsewhere: isWholeElsewhere(object) },
  }));
  const otherRun = runConflictOf(inspection, all);
  if (otherRun !== null) {
    problems.push({ object: RUN_FILE_NAME, kind: "run", problem: otherRun, isWholeElsewhere: false });
  }
  for (const { name } of inspection.history.whole) {
    const problem = conflictOf(name, inspection, all);
    if (problem !== null) problems.push({ object: name, kind: "conflict", problem, isWholeElsewhere: true });
  }
  return {
    url: inspection.store.url,
    checkpoints: namesOf(inspection).length,
    ...amountsOf(inspection.sizes, headers),
    problems,
    isIntact: problems.length === 0,
  };
}

/** Two runs that are whole in themselves, and were taken for the tiers of one. */
function runConflictOf(inspection: TierInspection, [first]: readonly TierInspection[]): string | null {
  const areWhole = [inspection, first].every((each) => each?.isLabelWhole(RUN_FILE_NAME));
  if (!areWhole || inspection.run === null || first === undefined || first.run === null) return null;
  if (inspection.run === first.run) return null;
  return `"${RUN_FILE_NAME}" says run ${inspection.run}, that in ${first.store.url} says run ${first.run}`;
}

/** Two checkpoints under one name (rule 9). The local tier's is what the other one is compared with. */
function conflictOf(name: string, inspection: TierInspection, [first]: readonly TierInspection[]): string | null {
  const [own, other] = [inspection.header(name), first?.header(name)];
  if (own === undefined || other === undefined || own.hash === other.hash) return null;
  return `"${name}" is another checkpoint than the one of that name in ${first?.store.url}`;
}

function verifyCheckpoint(name: string, inspections: readonly TierInspection[]): VerifiedCheckpoint {
  const holding = inspections.filter((inspection) => namesOf(inspection).includes(name));
  const headers = holding.flatMap((inspection) => inspection.header(name) ?? []);
  const broken = holding.flatMap(({ history }) => history.broken.find((each) => each.name === name) ?? []);
  const problems = holding.flatMap((inspection) => {
    const where = inspections.length === 1 ? "" : `in ${inspection.store.url}: `;
    return problemsOf(name, inspection, inspections).map((problem) => where + problem);
  });
  // Each tier that holds it has read it, or could not.
  const { sequence } = [...headers, ...broken][0] as Pick<CheckpointHeader, "sequence">;
  return {
    ...{ name, problems, step: headers[0]?.step ?? null, sequence },
    heldIn: holding.map(({ store }) => store.url),
    wholeIn: holding.filter((inspection) => isWholeIn(name, inspection)).map(({ store }) => store.url),
    isRestorable: headers.some(({ packs }) =>
      packs.every((pack) => inspections.some((inspection) => inspection.isPackWhole(pack.name))),
    ),
  };
}

function problemsOf(name: string, inspection: TierInspection, all: readonly TierInspection[]): string[] {
  const unreadable = inspection.history.broken.find((each) => each.name === name);
  const conflict = conflictOf(name, inspection, all);
  return [
    ...(unreadable === undefined ? [] : [unreadable.error.message]),
    ...(conflict === null ? [] : [conflict]),
    ...(inspection.header(name)?.packs ?? []).flatMap((pack) => inspection.packProblem(pack.name)?.problem ?? []),
  ];
}

function isWholeIn(name: string, inspection: TierInspection): boolean {
  return inspection.header(name)?.packs.every((pack) => inspection.isPackWhole(pack.name)) ?? false;
}
