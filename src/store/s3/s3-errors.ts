import { systemClock } from "../../base/clock.ts";
import { StoreError } from "../../errors.ts";
import { objectError } from "../object-errors.ts";

/** What of the errors that the SDK rejects with says what happened. */
interface SdkError {
  readonly name?: string;
  readonly message?: string;
  /** The service's word, where its answer had one. */
  readonly Code?: unknown;
  /** The system's word: `ECONNRESET`. */
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number | undefined };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

export interface FailedRequest {
  readonly operation: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** Its connection may have been cut because nothing moved on it. */
  readonly wasIdle: boolean;
  /** Credentials had worked, and the next request asks the chain for newer ones. */
  readonly isRenewed: boolean;
}

const NO_ACCESS =
  "The identity may not do this. It needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the objects, and s3:ListBucket and s3:ListBucketMultipartUploads on the bucket. Without s3:ListBucket, S3 denies what is merely absent.";

const HINTS: Readonly<Record<string, string>> = {
  AccessDenied: NO_ACCESS,
  InvalidAccessKeyId: "The access key is not known here: check which credentials the AWS chain finds.",
  SignatureDoesNotMatch: "The secret key does not belong to the access key.",
  InvalidObjectState: "The object is in an archive class, where it cannot be read: restore it.",
  NoSuchUpload: "It was completed, aborted or never begun; the file has to be uploaded from its beginning.",
};

/** Statuses with which S3 always says more: where that cannot be read, the answer was damaged on its way. */
const NEEDS_WORD: readonly (number | null)[] = [400, 409, 412, 416];

const NO_CREDENTIALS_HINT =
  "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, sign in (aws sso login), or give the machine a role; `aws sts get-caller-identity` says what is missing.";

/** The word of the service for what went wrong (`NoSuchKey`); empty where there is none, as in every answer to HEAD. */
export function codeOf(error: unknown): string {
  const { Code } = error as SdkError;
  return typeof Code === "string" ? Code : "";
}

export function statusOf(error: unknown): number | null {
  return (error as SdkError).$metadata?.httpStatusCode ?? null;
}

/** The StoreError for what the SDK rejected with, without anything of the request in it. */
export function s3Error(error: unknown, { operation, key, signal, wasIdle, isRenewed }: FailedRequest): StoreError {
  const { message = "", code, $response } = error as SdkError;
  const word = codeOf(error);
  const systemWord = typeof code === "string" ? code : "";
  // Of an answer that broke off, the status alone says nothing that could be relied on.
  const status = word === "" && systemWord !== "" ? null : statusOf(error);
  const isCut = status === null && wasIdle;
  if (!isCut && status === null && systemWord === "" && !signal?.aborted) {
    // Neither the service nor the system said anything: the SDK itself refused, and will again.
    return new StoreError("unsupported", operation, key, `the AWS SDK refused: ${message}`);
  }
  const region = $response?.headers?.["x-amz-bucket-region"];
  const failure = {
    operation,
    key,
    status,
    code: isCut ? "ETIMEDOUT" : word || systemWord,
    message: isCut ? "nothing moved on the connection" : messageOf(message, word, status),
    retryAfter: $response?.headers?.["retry-after"],
    signal,
    hint: isElsewhere(status, word) && region !== undefined ? elsewhere(region) : HINTS[word],
    retryable: isRenewed || (word === "" && NEEDS_WORD.includes(status)) ? true : undefined,
  };
  return objectError(failure, systemClock.now());
}

/** For what the credentials chain rejected with. Its own words may be those of any program, secrets among them. */
export function noCredentials(
  error: unknown,
  { operation, key }: { readonly operation: string; readonly key: string },
): StoreError {
  const status = statusOf(error);
  const isBusy = status !== null && (status === 429 || status >= 500);
  const { name = "Error" } = error as SdkError;
  return objectError(
    {
      operation,
      key,
      status: isBusy ? status : null,
      code: isBusy ? "" : "CredentialsProviderError",
      message: `the AWS chain found no credentials (${name})`,
      hint: NO_CREDENTIALS_HINT,
    },
    systemClock.now(),
  );
}

/** Only what the service says: the SDK's own text on an answer that it cannot read may hold what came. */
function messageOf(message: string, word: string, status: number | null): string {
  if (word !== "" || status === null) return message;
  return status < 300 ? "the answer is none of S3, or was cut" : "the answer says no more";
}

/** The bucket is in another region. */
function isElsewhere(status: number | null, word: string): boolean {
  return status === 301 || word === "AuthorizationHeaderMalformed" || word === "IllegalLocationConstraintException";
}

function elsewhere(region: string): string {
  return `The bucket is in region ${region}: give that as \`region\`, or set AWS_REGION.`;
}
