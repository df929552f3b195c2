import { type Clock, systemClock } from "../base/clock.ts";
import { randomId } from "../base/ids.ts";
import { isVarveError, type StoreError, type StoreErrorKind } from "../errors.ts";
import type { DoctorFinding, DoctorMeasurements, DoctorRight, PlannedCheck } from "./doctor-check.ts";
import { GUARANTEE_CHECKS } from "./doctor-guarantees.ts";
import { PIECE_CHECKS } from "./doctor-pieces.ts";
import { cleanUp, type ExaminedPlace, openPlace } from "./doctor-place.ts";
import { neededRight } from "./doctor-rights.ts";
import { SPEED_CHECKS } from "./doctor-speed.ts";
import { DoctorSubject } from "./doctor-subject.ts";
import { VERB_CHECKS } from "./doctor-verbs.ts";
import { CREDENTIALS_HINT } from "./object-errors.ts";
import type { OpenStoreOptions } from "./open-store.ts";
import type { Store } from "./store.ts";

export interface DoctorOptions {
  /** For a store given by its URL: what `openStore` takes. */
  readonly storeOptions?: OpenStoreOptions | undefined;
  /** Size of the object that throughput is measured with; 8 MiB by default. */
  readonly bigObjectBytes?: number | undefined;
  /** Called after every check. */
  readonly onCheck?: ((check: DoctorCheck) => void) | undefined;
  readonly clock?: Clock | undefined;
  /** What was written is removed also when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** One thing that was tried. */
export interface DoctorCheck {
  readonly name: string;
  readonly outcome: "ok" | "failed" | "skipped";
  /** A plain sentence. */
  readonly detail: string;
  /** What to do about it; null where there is nothing to do. */
  readonly hint: string | null;
}

export interface DoctorReport {
  /** Without credentials. */
  readonly store: string;
  /** All that Varve relies on was tried and holds. */
  readonly isGood: boolean;
  /** One plain line. */
  readonly verdict: string;
  readonly checks: readonly DoctorCheck[];
  readonly measured: DoctorMeasurements;
}

const PLAN: readonly PlannedCheck[] = [...VERB_CHECKS, ...GUARANTEE_CHECKS, ...SPEED_CHECKS, ...PIECE_CHECKS];

const NOTHING_MEASURED: DoctorMeasurements = {
  clockAheadMs: null,
  putMs: null,
  getMs: null,
  uploadBytesPerSecond: null,
  downloadBytesPerSecond: null,
};

/**
 * Tries on a store everything that Varve relies on, below `doctor/` of its prefix, and removes what it wrote.
 *
 * @returns what holds and what does not; a store that fails is no error
 * @throws InvalidArgumentError for a URL or options that cannot be right; StoreError of kind `unsupported` where the
 *   cloud's SDK is not installed, of kind `aborted` when the signal is aborted
 * Cost: about 120 small requests, and two of `bigObjectBytes`. Nothing is tried a second time.
 */
export async function diagnoseStore(store: string | Store, options: DoctorOptions = {}): Promise<DoctorReport> {
  const place = await openPlace(store, options.storeOptions ?? {});
  const subject = new DoctorSubject({
    store: place.store,
    bucket: place.bucket,
    id: randomId(),
    clock: options.clock ?? systemClock,
    bigObjectBytes: options.bigObjectBytes ?? 8 * 1024 * 1024,
    signal: options.signal,
  });
  try {
    return await examine(place, subject, options);
  } finally {
    await place.close();
  }
}

async function examine(
  place: ExaminedPlace,
  subject: DoctorSubject,
  { onCheck = () => undefined }: DoctorOptions,
): Promise<DoctorReport> {
  const checks: DoctorCheck[] = [];
  let measured = NOTHING_MEASURED;
  const note = (name: string, { outcome, detail, hint, measured: more }: DoctorFinding): void => {
    measured = { ...measured, ...more };
    const check = { name, outcome, detail, hint: hint ?? null };
    checks.push(check);
    onCheck(check);
  };
  let cleaned: DoctorFinding;
  try {
    for (const planned of PLAN) note(planned.name, await carryOut(planned, checks, subject));
  } finally {
    cleaned = await cleanUp(place, subject);
  }
  note("clean-up", cleaned);
  return { store: subject.store.url, ...verdictOf(subject.store.url, checks), checks, measured };
}

async function carryOut(
  { needs, right, run }: PlannedCheck,
  checks: readonly DoctorCheck[],
  subject: DoctorSubject,
): Promise<DoctorFinding> {
  const lacking = checks.find(({ name, outcome }) => needs.includes(name) && outcome !== "ok");
  if (lacking !== undefined) return { outcome: "skipped", detail: `Not tried, as "${lacking.name}" is not right.` };
  try {
    const finding = await run(subject);
    subject.noteAnswer();
    return finding;
  } catch (error) {
    if (!isVarveError(error, "VARVE_STORE")) throw error;
    const failure = error as StoreError;
    if (failure.kind === "aborted") throw failure;
    if (!SILENCE.has(failure.kind)) subject.noteAnswer();
    return { outcome: "failed", detail: failure.message, hint: hintFor(failure, subject, right) };
  }
}

/** Of requests that always need the same one, whatever is being tried. */
const RIGHT_OF: Readonly<Record<string, DoctorRight>> = { get: "read", head: "read", list: "list", delete: "delete" };

/** Of these nobody knows whether there is a store. */
const SILENCE: ReadonlySet<StoreErrorKind> = new Set(["network", "timeout"]);

function hintFor(
  failure: StoreError,
  { store: { url }, hasAnswered }: DoctorSubject,
  right: DoctorRight,
): string | undefined {
  const { kind, hint, retryable, operation } = failure;
  if (kind === "permission") {
    const hints = [neededRight(url, RIGHT_OF[operation] ?? right), hint === CREDENTIALS_HINT ? undefined : hint];
    return hints.filter((text) => text !== undefined).join(" ");
  }
  if (hint !== undefined || !retryable) return hint;
  return hasAnswered
    ? "It may pass: run varve doctor again."
    : "Nothing has answered: check the URL with its endpoint, the network, and HTTPS_PROXY, HTTP_PROXY and NO_PROXY.";
}

function verdictOf(url: string, checks: readonly DoctorCheck[]): Pick<DoctorReport, "isGood" | "verdict"> {
  const broken = checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
  if (broken.length === 0) return { isGood: true, verdict: `Good: ${url} does all that Varve relies on.` };
  const isUnshareable = broken.includes("create-if-absent") || broken.includes("race");
  const why = isUnshareable
    ? "Refused for shared writing: two trainers could take one run for their own, as creating an object does not keep others out"
    : "Not fit for checkpoints as it is";
  return { isGood: false, verdict: `${why}. Not right at ${url}: ${broken.join(", ")}.` };
}
