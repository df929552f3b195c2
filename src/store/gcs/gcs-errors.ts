import { systemClock } from "../../base/clock.ts";
import type { StoreError } from "../../errors.ts";
import { objectError } from "../object-errors.ts";
import type { HttpAnswer } from "./gcs-http.ts";

export interface FailedRequest {
  readonly operation: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
}

/** What the service says in an answer that is no success. */
interface ServiceWords {
  /** `notFound`, `forbidden`; empty where the answer is none of the service's own. */
  readonly reason: string;
  readonly message: string;
}

const HINTS: Readonly<Record<string, string>> = {
  forbidden: "The identity is known but may not do this: it needs the role Storage Object User on the bucket.",
  required: "The bucket's requests are billed to whoever asks: give the option `project`.",
  retentionPolicyNotMet: "A retention policy of the bucket keeps the object.",
};

const SIGN_IN_HINT =
  "Run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS to a key file, or give the machine a service account; then the role Storage Object User lets it write.";

/**
 * @param secrets - what the answer must not repeat in a message
 */
export function answerError(
  { operation, key, signal }: FailedRequest,
  answer: HttpAnswer,
  secrets: readonly string[],
): StoreError {
  const { status, headers } = answer;
  const { reason, message } = wordsOf(answer);
  return objectError(
    {
      operation,
      key,
      status,
      // The service has no word for this: its reason is `invalid`, as for any bad request.
      code: status === 400 && /doesn't match calculated/.test(message) ? "BadDigest" : reason,
      message: withoutSecrets(message, secrets),
      retryAfter: headers["retry-after"],
      signal,
      hint: HINTS[reason],
    },
    systemClock.now(),
  );
}

/** Shorter ones are words of the protocol, which messages may use. */
const LEAST_SECRET_LENGTH = 12;

function withoutSecrets(message: string, secrets: readonly string[]): string {
  const long = secrets.filter(({ length }) => length >= LEAST_SECRET_LENGTH);
  return long.reduce((text, secret) => text.replaceAll(secret, "…"), message);
}

/** For a request that has no answer, or none to its end. */
export function connectionError({ operation, key, signal }: FailedRequest, error: unknown): StoreError {
  const { code, message } = error as NodeJS.ErrnoException;
  return objectError(
    { operation, key, status: null, code: typeof code === "string" ? code : "", message: message, signal },
    systemClock.now(),
  );
}

/** The texts of sign-in errors may hold what the token service was sent: only status and code are looked at. */
export function signInError({ operation, key, signal }: FailedRequest, error: unknown): StoreError {
  const { status, code } = error as { readonly status?: unknown; readonly code?: unknown };
  const word = typeof code === "string" && /^[A-Z_]+$/.test(code) ? code : "";
  const isAnswered = typeof status === "number";
  const isPassing = isAnswered ? status === 429 || status >= 500 : CONNECTION_CODE.test(word);
  if (isPassing) {
    const message = "no token: the sign-in service cannot be reached";
    return objectError(
      { operation, key, status: isAnswered ? status : null, code: word, message, signal },
      systemClock.now(),
    );
  }
  const message = isAnswered
    ? `the sign-in service refused the credentials (HTTP ${status})`
    : `no credentials that let one in were found${word === "" ? "" : ` (${word})`}`;
  return objectError(
    { operation, key, status: null, code: "AuthenticationRequired", message, signal, hint: SIGN_IN_HINT },
    systemClock.now(),
  );
}

const CONNECTION_CODE = /^(ECONN\w+|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH|ERR_PROXY_FAILED)$/;

/** For a success that cannot be read. */
export function unreadableError(
  { operation, key, signal }: FailedRequest,
  { status }: HttpAnswer,
  message: string,
): StoreError {
  return objectError({ operation, key, status, code: "", message, signal }, systemClock.now());
}

/**
 * Tells a missing object from a missing bucket by the one thing in which the answers differ. False does not mean that
 * the bucket is missing: other words may come one day.
 */
export function saysNoSuchObject(answer: HttpAnswer): boolean {
  return wordsOf(answer).message.startsWith("No such object:");
}

/** Downloads are refused in plain text, everything else in JSON. What lacks the service's header is of somebody else. */
function wordsOf({ headers, body }: HttpAnswer): ServiceWords {
  const text = new TextDecoder().decode(body);
  if (!text.startsWith("{")) return { reason: "", message: headers["x-guploader-uploadid"] === undefined ? "" : text };
  const { message, errors } = parsedError(text);
  const reason = errors?.[0]?.reason;
  return {
    reason: typeof reason === "string" ? reason : "",
    message: typeof message === "string" ? message : "",
  };
}

interface ErrorBody {
  readonly message?: unknown;
  readonly errors?: readonly { readonly reason?: unknown }[];
}

function parsedError(text: string): ErrorBody {
  try {
    return (JSON.parse(text) as { readonly error?: ErrorBody }).error ?? {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
