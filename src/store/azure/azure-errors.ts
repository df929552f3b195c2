import { systemClock } from "../../base/clock.ts";
import type { StoreError } from "../../errors.ts";
import { objectError } from "../object-errors.ts";

/** What of RestError, and of the errors of `@azure/identity`, says what happened. */
interface AzureError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly response?: {
    readonly headers?: { get(name: string): string | undefined };
    readonly parsedBody?: { readonly message?: unknown; readonly Message?: unknown };
  };
}

export interface FailedRequest {
  readonly operation: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** Its connection may have been cut because nothing moved on it. */
  readonly wasIdle: boolean;
}

const SIGN_IN_ERROR = /^(?:\w*Authentication\w*|CredentialUnavailable)Error$/;

/** The word of the service for what went wrong (`BlobNotFound`); empty where there is none. */
export function codeOf(error: unknown): string {
  const { code, response } = error as AzureError;
  // An answer to HEAD has no body; there the header alone tells.
  const header = response?.headers?.get("x-ms-error-code");
  return header ?? (typeof code === "string" ? code : "");
}

function statusOf(error: unknown): number | null {
  const { statusCode } = error as AzureError;
  return typeof statusCode === "number" ? statusCode : null;
}

/** The StoreError for what the SDK rejected with, without anything of the request in it. */
export function azureError(error: unknown, { operation, key, signal, wasIdle }: FailedRequest): StoreError {
  const { name = "", response } = error as AzureError;
  if (SIGN_IN_ERROR.test(name)) return noCredentials(name, operation, key, signal);
  const status = response === undefined ? null : statusOf(error);
  // With an answer there was a connection to the end of it, or the status tells more.
  const isCut = status === null && wasIdle;
  return objectError(
    {
      operation,
      key,
      status,
      code: isCut ? "ETIMEDOUT" : codeOf(error),
      message: isCut ? "nothing moved on the connection" : messageOf(error as AzureError, status),
      retryAfter: response?.headers?.get("retry-after"),
      signal,
      hint: HINTS[codeOf(error)],
    },
    systemClock.now(),
  );
}

const HINTS: Readonly<Record<string, string>> = {
  AuthorizationPermissionMismatch:
    "The identity is known but may not do this: it needs the role Storage Blob Data Contributor on the container.",
  AuthorizationFailure: "The key is wrong, or the account's network rules refuse this machine.",
  BlobArchived: "The blob is in the archive tier, where it cannot be read: rehydrate it.",
  InvalidBlobOrBlock:
    "The blob has unfinished blocks of another program. Azure drops them after a week; a new name works at once.",
  SnapshotsPresent: "The blob has snapshots, which Varve never deletes.",
};

/** The texts of sign-in errors hold what the identity service answered; the name says enough. */
function noCredentials(name: string, operation: string, key: string, signal: AbortSignal | undefined): StoreError {
  const message = "no credentials that let one in were found";
  const failure = { operation, key, status: null, code: `AuthenticationRequired (${name})`, message, signal };
  const hint =
    "Sign in (az login), give the machine a managed identity, or set AZURE_STORAGE_CONNECTION_STRING; then the role Storage Blob Data Contributor lets it write.";
  return objectError({ ...failure, hint }, systemClock.now());
}

/**
 * Of an answer only what the service says in `Message`: the SDK's own text may be the whole body, with what was signed
 * in it.
 */
function messageOf({ name, message = "", response }: AzureError, status: number | null): string {
  if (status === null) return name === "AbortError" ? "the answer was cut off" : message;
  const { message: parsed, Message } = response?.parsedBody ?? {};
  const words = [parsed, Message].find((text) => typeof text === "string") ?? "";
  const requestId = response?.headers?.get("x-ms-request-id");
  const firstLine = words.split(/\r?\n/)[0] ?? "";
  return [firstLine, requestId === undefined ? "" : `(request ${requestId})`].filter((text) => text !== "").join(" ");
}
