import type { SaveView } from "../../record/run-view.ts";
import type { RunModel } from "./run-model.ts";

export type SaveOutcome =
  | "committed"
  | "durable"
  | "waiting"
  | "encoding"
  | "writing"
  | "failed"
  | "skipped"
  | "replaced"
  | "lost";

/**
 * What became of a save, or what is being done for it. Lost: its process ended without a word about it.
 *
 * @param hasEnded - whether nothing more can come of the newest process
 */
export function outcomeOf(save: SaveView, model: RunModel, hasEnded: boolean): SaveOutcome {
  if (save.committed !== null) return "committed";
  if (save.failed !== null) return "failed";
  if (save.durable !== null) return "durable";
  if (save.leftOut !== null) return save.leftOut;
  if (hasEnded || isOfEarlierSession(save, model)) return "lost";
  const current = model.view.status?.status.current ?? null;
  if (current?.sequence !== save.sequence) return "waiting";
  return current.phase === "encoding" || current.phase === "writing" ? current.phase : "waiting";
}

function isOfEarlierSession(save: SaveView, { view }: RunModel): boolean {
  const sessionAtMs = view.sessions.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  return save.queued !== null && save.queued.atMs < sessionAtMs;
}
