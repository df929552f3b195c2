import { formatCount } from "../../record/format.ts";
import { formatMoment, formatSpan } from "./page-format.ts";
import { phaseOf, type RunModel, type RunPhase } from "./run-model.ts";

const PHASE_WORDS: Readonly<Record<RunPhase, string>> = {
  ...{ empty: "empty", stored: "checkpoints only", training: "training", finished: "finished" },
  ...{ stopped: "stopped before its end", silent: "no word of its end" },
};

/** The state of a run in a word or two. */
export function phaseWord(model: RunModel, isInTraining: boolean): string {
  return PHASE_WORDS[phaseOf(model, isInTraining)];
}

/** Of the connection that a run's records come by. */
export type StreamState = "closed" | "reading" | "live" | "lost";

/** When the run's processes began, and how long it has run; empty where no log was read. */
export function describeSessions({ view, firstAtMs, lastAtMs }: RunModel): string {
  const newest = view.sessions.at(-1);
  if (firstAtMs === null || lastAtMs === null) return "";
  const span = `${formatMoment(firstAtMs)}, over ${formatSpan(lastAtMs - firstAtMs)}`;
  if (newest === undefined || newest.event === "start") return `Began ${span}`;
  const times = view.sessions.filter(({ event }) => event === "resume").length;
  const resumed = times === 1 ? "resumed once" : `resumed ${formatCount(times)} times, at last`;
  return `Began ${span}; ${resumed} from step ${formatCount(newest.step)} at ${formatMoment(newest.atMs)}`;
}

/** What stands across a run's page, or null. */
export interface Banner {
  readonly tone: "bad" | "calm";
  readonly title: string;
  readonly text: string;
  /** What to do about it. */
  readonly hint: string | null;
}

export interface BannerInput {
  readonly model: RunModel;
  readonly isInTraining: boolean;
  readonly streamState: StreamState;
  readonly lostAtMs: number | null;
  /** The server answers, and does not know this reader. */
  readonly isRefused: boolean;
}

/** The one thing about a run that a reader must not miss; the worst of them, where there are several. */
export function bannerOf(input: BannerInput): Banner | null {
  const { model, isInTraining, streamState } = input;
  const { end, degraded } = model.view;
  if (streamState === "lost") return lostBanner(input);
  if (degraded !== null && end === null) {
    const { store, atMs, error } = degraded;
    return {
      tone: "bad",
      title: `${store} is away since ${formatMoment(atMs)}`,
      text: error.message,
      hint: error.hint,
    };
  }
  const phase = phaseOf(model, isInTraining);
  if (phase === "stopped" || phase === "finished") {
    const title = `The run has ${phase === "finished" ? "ended" : "been stopped before its last generation"}`;
    return {
      tone: "calm",
      title,
      text: `${formatCount(end?.generations ?? 0)} generations, ${formatMoment(end?.atMs ?? 0)}.`,
      hint: null,
    };
  }
  if (phase !== "silent") return null;
  return {
    tone: "calm",
    title: "The log ends without a word of the run's end",
    text: "Its process was killed, or it still trains and this server sees its log late.",
    hint: null,
  };
}

function lostBanner({ model, lostAtMs, isRefused }: BannerInput): Banner {
  const since = formatMoment(lostAtMs ?? 0);
  if (isRefused) {
    const hint = "Open the address that it printed; it holds the token.";
    return { tone: "bad", title: "The server does not know this page any more", text: "It was started anew.", hint };
  }
  if (model.view.end !== null) {
    const title = "The run has ended, and its server with it";
    return {
      tone: "calm",
      title,
      text: "What is shown is complete.",
      hint: "To see it again: varve dashboard <store>",
    };
  }
  const text = `What is shown is as of ${since}. It is tried again every few seconds, and goes on by itself.`;
  return { tone: "bad", title: "Connection lost", text, hint: null };
}
