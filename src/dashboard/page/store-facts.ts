import { formatBytes, formatCount, formatObjectName } from "../../record/format.ts";
import type { StatusRecord, UploadJobFacts } from "../../record/run-record.ts";
import { formatRate, formatSpan, UNKNOWN } from "./page-format.ts";

type Fact = readonly [name: string, value: string];

export interface UploadFacts {
  /** 0..1; null where nothing is to be sent. */
  readonly share: number | null;
  readonly facts: readonly Fact[];
}

/** Uploads under way. */
export function uploadFacts({ status }: StatusRecord): UploadFacts {
  const { waiting, running, bytesDone, bytesTotal, bytesPerSecond, etaMs, retries } = status.upload;
  const isMoving = running > 0 || waiting > 0 || bytesDone < bytesTotal;
  return {
    share: isMoving && bytesTotal > 0 ? Math.min(1, bytesDone / bytesTotal) : null,
    facts: [
      ["Packs", isMoving ? `${formatCount(running)} under way, ${formatCount(waiting)} waiting` : "none under way"],
      ["Sent", isMoving ? `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}` : formatBytes(bytesDone)],
      ["Rate", formatRate(bytesPerSecond)],
      ["Time left", isMoving && etaMs !== null ? formatSpan(etaMs) : UNKNOWN],
      ["Retries", formatCount(retries)],
    ],
  };
}

export interface JobFacts {
  readonly name: string;
  /** 0..1 */
  readonly share: number;
  readonly text: string;
}

/** One pack under way. */
export function jobFacts({ name, bytesDone, bytesTotal, bytesPerSecond, etaMs, retries }: UploadJobFacts): JobFacts {
  const parts = [
    `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`,
    formatRate(bytesPerSecond),
    etaMs === null ? "waits" : `${formatSpan(etaMs)} left`,
    ...(retries === 0 ? [] : [`${formatCount(retries)} × tried again`]),
  ];
  return {
    name: formatObjectName(name),
    share: bytesTotal === 0 ? 0 : bytesDone / bytesTotal,
    text: parts.join(" · "),
  };
}

/** How far the store is behind, what was asked of it, and what moved. */
export function storeFacts({ status, rssBytes }: StatusRecord): readonly Fact[] {
  const { put, get, head, list, delete: deletes } = status.requestsByKind;
  const behind =
    status.behind === 0
      ? "nothing"
      : `${formatCount(status.behind)} (${formatBytes(status.behindBytes)}), oldest ${formatSpan(status.behindMs)}`;
  const vain = status.bytesUpInVain === 0 ? "" : `, up to ${formatBytes(status.bytesUpInVain)} more in vain`;
  const byKind = `put ${formatCount(put)}, get ${formatCount(get)}, head ${formatCount(head)}, list ${formatCount(list)}, delete ${formatCount(deletes)}`;
  return [
    ["Checkpoints it lacks", behind],
    ["Requests", `${formatCount(put + get + head + list + deletes)}: ${byKind}`],
    ["Tried again", formatCount(status.retries)],
    ["Sent", `${formatBytes(status.bytesUp)}${vain}`],
    ["Read", formatBytes(status.bytesDown)],
    ["Written, all tiers", formatBytes(status.bytes)],
    ["Saves waiting", `${formatCount(status.pending)}, hold ${formatBytes(status.heldStateBytes)} of state`],
    ["Memory of the process", formatBytes(rssBytes)],
  ];
}
