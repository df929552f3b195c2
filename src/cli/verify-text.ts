import type { TierProblem, VerifiedCheckpoint, VerifiedTier, VerifyReport } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { formatBytes, plural, quoteForShell } from "./format.ts";

/** The places that were checked, as the person typed them. */
export interface VerifiedPlaces {
  readonly store: string;
  readonly local: string | undefined;
}

interface VerifiedStyle {
  readonly readData: boolean;
  readonly style: ConsoleOutput["style"];
}

/** What was found, damage first, then a line for each place. */
export function describeVerified(
  report: VerifyReport,
  places: VerifiedPlaces,
  { readData, style }: VerifiedStyle,
): string {
  const damage = report.checkpoints.flatMap((checkpoint) => {
    const lines = checkpoint.problems.map((problem) => `${style.red("DAMAGED")} ${checkpoint.name}: ${problem}`);
    return lines.length === 0 || places.local === undefined ? lines : [...lines, `  ${restorableText(checkpoint)}`];
  });
  const labels = report.tiers.flatMap(({ problems }, index) => {
    const where = places.local === undefined ? "" : `in ${index === 0 ? places.local : places.store}: `;
    return problems.filter(isAboutRun).map(({ problem }) => `${style.red("DAMAGED")} ${where}${problem}`);
  });
  const lines = report.tiers.map((tier, index) => {
    const where = places.local === undefined ? "" : `${index === 0 ? places.local : places.store}: `;
    return where + describeTier(tier, readData);
  });
  return [...labels, ...damage, ...lines, ...notesOf(report, places)].join("\n");
}

function describeTier(
  { checkpoints, packs, bytes, unnamedPacks, problems, isIntact }: VerifiedTier,
  readData: boolean,
) {
  if (checkpoints === 0 && isIntact) {
    const left = packs === 0 ? "" : `; ${plural(packs, "pack")} that no checkpoint names`;
    return `0 checkpoints${left}: nothing verified`;
  }
  const checked = `${plural(checkpoints, "checkpoint")}, ${plural(packs, "pack")}, ${formatBytes(bytes)} ${readData ? "read" : "present"}`;
  const unnamed = unnamedPacks === 0 ? "" : `; ${plural(unnamedPacks, "pack")} that no checkpoint names`;
  return `${checked}${unnamed}: ${isIntact ? "intact" : `DAMAGED (${plural(problems.length, "object")})`}`;
}

function restorableText({ wholeIn, isRestorable }: VerifiedCheckpoint): string {
  if (wholeIn.length > 0) return `restorable: it is whole in ${wholeIn.join(" and in ")}`;
  return isRestorable
    ? "restorable from both places together: what one lacks the other has"
    : "NOT RESTORABLE: neither place has all of it";
}

/** The run file and the writers' files belong to no checkpoint. */
function isAboutRun({ kind }: TierProblem): boolean {
  return kind === "run";
}

/** The run file, and what writers left. */
function labelsToPutBack(problems: readonly TierProblem[], place: string, other?: string, sync?: string): string[] {
  return problems.filter(isAboutRun).map(({ object, isWholeElsewhere }) => {
    if (!isWholeElsewhere || other === undefined) {
      return `  Put ${object} in ${place} back from a copy, or with the id named above.`;
    }
    const bySync = object === "varve.json" ? `; one that is missing or cannot be read: ${sync}` : "";
    return `  Put ${object} in ${place} back from ${other}${bySync}`;
  });
}

/** What is no damage, and worth knowing. */
function notesOf({ checkpoints, tiers }: VerifyReport, { store, local }: VerifiedPlaces): string[] {
  const [first, second] = tiers;
  if (first === undefined || second === undefined || local === undefined) return [];
  const onlyIn = (url: string): number =>
    checkpoints.filter(({ heldIn }) => heldIn.length === 1 && heldIn[0] === url).length;
  const leaning = checkpoints.filter(({ heldIn, wholeIn, problems, isRestorable }) => {
    return heldIn.includes(first.url) && !wholeIn.includes(first.url) && problems.length === 0 && isRestorable;
  });
  return [
    ...(onlyIn(first.url) > 0 ? [`Only in ${local}: ${plural(onlyIn(first.url), "checkpoint")}`] : []),
    ...(onlyIn(second.url) > 0 ? [`Only in ${store}: ${plural(onlyIn(second.url), "checkpoint")}`] : []),
    ...(leaning.length > 0
      ? [`${plural(leaning.length, "checkpoint")} of ${local} with packs of earlier writers that only ${store} has`]
      : []),
  ];
}

/** What a person can do, each thing once. */
export function whatToDo({ tiers, checkpoints }: VerifyReport, { store, local }: VerifiedPlaces): string[] {
  const to = quoteForShell(store);
  if (local === undefined) {
    const ofOnly = tiers.flatMap(({ problems }) => problems);
    const labels = labelsToPutBack(ofOnly, store);
    return ofOnly.length === labels.length
      ? labels
      : [
          ...labels,
          `  If the run has a folder on local disk too, that may mend it: varve verify ${to} --local <folder>`,
        ];
  }
  const [ofLocal = [], ofStore = []] = tiers.map(({ problems }) => problems);
  const sync = `varve sync ${quoteForShell(local)} ${to}`;
  const has = (problems: readonly TierProblem[], ...kinds: TierProblem["kind"][]): boolean =>
    problems.some(({ kind, isWholeElsewhere }) => isWholeElsewhere && kinds.includes(kind));
  const changed = ofStore.filter(({ kind, isWholeElsewhere }) => kind === "content" && isWholeElsewhere);
  const lost = checkpoints.filter(({ isRestorable }) => !isRestorable).length;
  return [
    ...labelsToPutBack(ofLocal, local, store, sync),
    ...labelsToPutBack(ofStore, store, local, sync),
    ...(has(ofStore, "missing", "length") ? [`  To send again what ${store} has lost: ${sync}`] : []),
    ...(changed.length > 0
      ? [`  Bytes changed in place, which a sync does not see. Delete these from ${store}, then ${sync}:`]
      : []),
    ...changed.map(({ object }) => `    ${object}`),
    ...(has(ofStore, "manifest")
      ? [`  To move unreadable checkpoints aside and send them anew: varve prune ${to} --quarantine && ${sync}`]
      : []),
    ...(has(ofStore, "conflict")
      ? [`  Two checkpoints under one name: two writers used copies of this run. Keep one of the two places.`]
      : []),
    ...(has(ofLocal, "missing", "length", "content", "manifest")
      ? [`  What ${local} has damaged is read from ${store}, by every command and trainer that is given both.`]
      : []),
    ...(lost > 0
      ? [
          `  ${plural(lost, "checkpoint")} cannot be restored unless another copy of the run has the objects named above.`,
        ]
      : []),
  ];
}
