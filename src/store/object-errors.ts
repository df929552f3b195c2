import { StoreError, type StoreErrorKind } from "../errors.ts";
import { PROXY_HINT, PROXY_REFUSED, unreachableProxyHint } from "./proxy.ts";

/** What an adapter read off an error of its SDK. */
export interface ProviderFailure {
  /** `put`, `get`, `upload piece`. */
  readonly operation: string;
  readonly key: string;
  /** Of the HTTP answer; null where there was none. */
  readonly status: number | null;
  /** The provider's word (`NoSuchBucket`) or the system's (`ECONNRESET`); may be empty. */
  readonly code: string;
  readonly message: string;
  /** The header, as it came: seconds or a date. */
  readonly retryAfter?: string | null | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What to do about it, where the provider knows better than this file. */
  readonly hint?: string | undefined;
  /** Whether a second try can help, where the adapter has done something about it. */
  readonly retryable?: boolean | undefined;
}

interface Verdict {
  readonly kind: StoreErrorKind;
  readonly retryable?: boolean;
  readonly hint?: string;
}

/** Where the provider says no more than that it refuses. */
export const CREDENTIALS_HINT: string =
  "Credentials come from the provider's own chain; `varve doctor <url>` says what these may do here.";

/** By the provider's word, whatever the status. */
const BY_CODE: readonly (readonly [RegExp, Verdict])[] = [
  [/^(NoSuchBucket|ContainerNotFound|ContainerBeingDeleted)$/, notThere()],
  [
    /^(NoSuchUpload|InvalidBlockList)$/,
    { kind: "not-found", hint: "The store does not know the upload any more: begin it anew." },
  ],
  [/^(BadDigest|InvalidDigest|XAmzContentSHA256Mismatch|Md5Mismatch|Crc64Mismatch|InvalidMd5)$/, { kind: "io" }],
  [/^(RequestTimeout|OperationTimedOut)$/, { kind: "timeout" }],
  [/^(ConditionalRequestConflict|OperationAborted|SlowDown|ServerBusy|TooManyRequests)$/, { kind: "busy" }],
  // GCS says so with 403 too.
  [/^(rateLimitExceeded|userRateLimitExceeded)$/, { kind: "busy" }],
  [/^(EntityTooLarge|RequestBodyTooLarge)$/, { kind: "too-large" }],
  [
    /^(ExpiredToken|TokenRefreshRequired|RequestExpired)$/,
    { kind: "permission", hint: "The credentials have expired." },
  ],
  [/^RequestTimeTooSkewed$/, { kind: "permission", hint: "The clock of this machine is wrong." }],
  [/CredentialsProviderError|CredentialUnavailable|AuthenticationRequired|invalid_grant/, noAccess()],
  [/^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_\w*TIMEOUT)$/, { kind: "timeout" }],
  // A connection that breaks off in an answer leaves its status: that is then no answer.
  [
    /^(ECONNRESET|ECONNABORTED|ECONNREFUSED|EPIPE|ENOTFOUND|EAI_AGAIN|ERR_STREAM_PREMATURE_CLOSE)$/,
    { kind: "network" },
  ],
  [new RegExp(`^${PROXY_REFUSED}$`), proxyRefuses()],
  [/^(CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_SSL)/, { kind: "network", retryable: false }],
];

/**
 * The StoreError for what a provider answered, or for its silence.
 *
 * The SDK's own error is not kept as the cause: it carries the request, headers and all.
 */
export function objectError(failure: ProviderFailure, nowMs: number): StoreError {
  const { operation, key, status, code, message, signal } = failure;
  if (signal?.aborted) return new StoreError("aborted", operation, key, "the request was cancelled");
  const { kind, retryable, hint } = BY_CODE.find(([word]) => word.test(code))?.[1] ?? verdictOf(status);
  const answer = [status === null ? "" : `HTTP ${status}`, code].filter((part) => part !== "").join(" ");
  return new StoreError(kind, operation, key, `${answer === "" ? "" : `${answer}: `}${oneLine(message)}`, {
    retryable: failure.retryable ?? retryable,
    hint:
      failure.hint ??
      hint ??
      // oxlint-disable-next-line no-restricted-properties -- the proxy is named by the environment alone
      (kind === "network" ? unreachableProxyHint(`${code} ${message}`, process.env) : undefined),
    retryAfterMs: retryAfterMs(failure.retryAfter, nowMs),
  });
}

function verdictOf(status: number | null): Verdict {
  if (status === null) return { kind: "network" };
  if (status === 401 || status === 403) return noAccess();
  if (status === 404) return notThere();
  if (status === 407) return proxyRefuses();
  if (status === 408) return { kind: "timeout" };
  if (status === 413) return { kind: "too-large" };
  if (status === 501) return { kind: "unsupported" };
  if (status === 429 || status >= 500) return { kind: "busy" };
  // A success that could not be read was cut on its way.
  if (status < 300) return { kind: "network" };
  return { kind: "io", retryable: false };
}

function noAccess(): Verdict {
  return { kind: "permission", hint: CREDENTIALS_HINT };
}

function proxyRefuses(): Verdict {
  return { kind: "permission", hint: PROXY_HINT };
}

function notThere(): Verdict {
  return { kind: "not-found", hint: "The bucket is not there; Varve never makes one. Check the URL, or create it." };
}

/** @param header - seconds, or a date */
function retryAfterMs(header: string | null | undefined, nowMs: number): number {
  if (header === null || header === undefined || header === "") return 0;
  const seconds = Number(header);
  const wish = Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1000;
  return Number.isFinite(wish) && wish > 0 ? wish : 0;
}

const LONGEST_MESSAGE = 300;

/** Providers answer with pages of XML or HTML; a signed URL in it would be a secret. */
function oneLine(message: string): string {
  const text = message.replace(/\s+/g, " ").replace(/(https?:\/\/[^\s?"']+)\?[^\s"']*/g, "$1");
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
}
