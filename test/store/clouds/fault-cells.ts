import type { ChaosFault } from "../../servers/chaos-proxy.ts";

/**
 * What becomes of an operation that meets a fault: it succeeds in the end; it fails at once, and was not let in or
 * refused for good; or it may fail with a typed error, and then nothing wrong is to be seen.
 */
export type Verdict = "recovers" | "permission" | "refused" | "may be told";

export interface Cell {
  readonly fault: ChaosFault;
  readonly verdict: Verdict;
}

/** Of bodies of 40,000 bytes: the ends, and between them where chunks and blocks of the usual sizes meet. */
const PLACES = [0, 1, 2, 100, 4095, 16_384, 19_999, 32_768, 39_998, 39_999] as const;

const recovering = (fault: ChaosFault): Cell => ({ fault, verdict: "recovers" });

const at = (
  kind: "request reset" | "request bit flipped" | "answer reset" | "answer truncated" | "answer bit flipped",
  places: readonly number[],
): Cell[] => places.map((atByte) => recovering({ kind, atByte }));

const answered = (status: number, verdict: Verdict = "recovers", retryAfter?: number): Cell => ({
  fault: { kind: "status", status, ...(retryAfter === undefined ? {} : { retryAfter }) },
  verdict,
});

/** Whatever the request is. */
export const ANYWHERE: readonly Cell[] = [
  recovering({ kind: "refused" }),
  recovering({ kind: "answer lost" }),
  recovering({ kind: "request stalled", atByte: 0 }),
  recovering({ kind: "answer stalled", atByte: 0 }),
  recovering({ kind: "slow", delayMs: 5 }),
  ...at("answer reset", [0, 1, 50]),
  ...at("answer truncated", [0, 1, 50]),
  ...[408, 429, 500, 502, 503, 504].map((status) => answered(status)),
  answered(429, "recovers", 2),
  answered(503, "recovers", 3),
  answered(401, "permission"),
  answered(403, "permission"),
  answered(501, "refused"),
];

/** For requests that carry 40,000 bytes. */
export const UPWARDS: readonly Cell[] = [
  ...at("request reset", PLACES),
  recovering({ kind: "request stalled", atByte: 20_000 }),
  ...at("request bit flipped", PLACES),
];

/** For requests that are answered with an object, whose checksum is known. */
export const DOWNWARDS: readonly Cell[] = [
  ...at("answer reset", PLACES.slice(2)),
  ...at("answer truncated", PLACES.slice(2)),
  recovering({ kind: "answer stalled", atByte: 20_000 }),
  // Longer in all than a connection may stand still, and never standing still.
  recovering({ kind: "answer trickles", parts: 6, pauseMs: 50 }),
  ...at("answer bit flipped", PLACES),
];

/** For requests that are answered with a part of an object: its checksum is not that of the part. */
export const PART_DOWNWARDS: readonly Cell[] = [...at("answer reset", PLACES), ...at("answer truncated", PLACES)];

/** For requests with a short body of words, which no checksum covers. */
export const WORDS_UPWARDS: readonly Cell[] = Array.from({ length: 24 }, (_, index) => ({
  fault: { kind: "request bit flipped", atByte: index * 9 },
  verdict: "may be told",
}));
