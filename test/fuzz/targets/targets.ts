import type { FuzzTarget } from "../fuzz.ts";
import { configFileTarget, csvTarget, trainerConfigTarget } from "./config-targets.ts";
import { fileTarget } from "./file-target.ts";
import { journalTarget } from "./journal-target.ts";
import { manifestTarget } from "./manifest-target.ts";
import { packTarget, sectionTargets } from "./pack-target.ts";
import { recordTarget } from "./record-target.ts";
import { listingTarget, runFileTarget, writerFileTarget } from "./small-file-targets.ts";
import { stateTarget } from "./state-target.ts";
import { urlTarget } from "./url-target.ts";

/** Those that `npm run test:faults` feeds 200,000 inputs each. */
export const mainTargets: readonly FuzzTarget[] = [manifestTarget, packTarget, urlTarget];

export const otherTargets: readonly FuzzTarget[] = [
  ...sectionTargets,
  ...[runFileTarget, writerFileTarget, listingTarget, configFileTarget, trainerConfigTarget, csvTarget],
  ...[stateTarget, fileTarget, journalTarget, recordTarget],
];

export const targets: readonly FuzzTarget[] = [...mainTargets, ...otherTargets];
