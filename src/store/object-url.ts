import { withoutSecrets } from "../base/without-secrets.ts";
import { InvalidArgumentError } from "../errors.ts";

export type CloudScheme = "gs" | "s3" | "az";

/** How a cloud store is reached, beside what its URL says. Credentials come from the provider's own chain. */
export interface CloudOptions {
  /** Another server than the provider's: an emulator, a MinIO-like server, R2. */
  readonly endpoint?: string | undefined;
  /** S3 only. */
  readonly region?: string | undefined;
  /** S3 only: `endpoint/bucket/key` and not `bucket.endpoint/key`. */
  readonly forcePathStyle?: boolean | undefined;
  /** GCS only: the project that requests are billed to. */
  readonly project?: string | undefined;
  /** A file that the provider's chain reads credentials from, in place of those it finds by itself. GCS only. */
  readonly credentialsPath?: string | undefined;
  /** Azure only, as in AZURE_STORAGE_CONNECTION_STRING. Never shown. */
  readonly connectionString?: string | undefined;
  /** A request on which nothing moves for this long is given up. */
  readonly idleTimeoutMs?: number | undefined;
  /** Nobody else writes here: a store that ignores create-if-absent is then not refused. */
  readonly exclusive?: boolean | undefined;
}

/** What a cloud store's URL names. */
export interface ObjectPlace {
  readonly scheme: CloudScheme;
  /** Azure only. */
  readonly account: string | null;
  /** The bucket; of Azure the container. */
  readonly bucket: string;
  /** Empty, or it ends with `/`. */
  readonly prefix: string;
  /** For messages: without query and credentials, no `/` at the end. */
  readonly url: string;
  readonly options: CloudOptions;
}

export const DEFAULT_IDLE_TIMEOUT_MS = 30_000;

const BUCKET = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;
/** What all three providers' rules have in common, for messages. */
export const BUCKET_RULE = "3 to 222 of a-z, 0-9, ., _ and -";

export function isBucketName(name: string): boolean {
  return BUCKET.test(name);
}

export function isAccountName(name: string): boolean {
  return ACCOUNT.test(name);
}

const PREFIX_PART = /^(?!\.{1,2}$)[A-Za-z0-9._=+@,-]+$/;
const FORMS: Readonly<Record<CloudScheme, string>> = {
  gs: "gs://bucket/prefix",
  s3: "s3://bucket/prefix",
  az: "az://account/container/prefix",
};
/** What a URL's query may say; everything else is given to `openStore`. */
const QUERY_OPTIONS: ReadonlySet<string> = new Set(["endpoint", "region", "forcePathStyle", "exclusive"]);

const FLAGS: ReadonlySet<string> = new Set(["forcePathStyle", "exclusive"]);

/**
 * Reads `gs://bucket/prefix`, `s3://bucket/prefix?endpoint=http://127.0.0.1:9000&forcePathStyle=true` or
 * `az://account/container/prefix`. What the query says goes before `options`.
 *
 * @throws InvalidArgumentError naming the form that was expected; its text never holds what may be a credential
 */
export function parseObjectUrl(url: string, options: CloudOptions = {}): ObjectPlace {
  const scheme = /^(gs|s3|az):\/\//.exec(url)?.[1] as CloudScheme | undefined;
  if (scheme === undefined) throw wrongUrl("gs", url);
  const [path = "", query = ""] = splitOnce(url.slice(scheme.length + 3), "?");
  const parts = path.replace(/\/$/, "").split("/");
  // What was split has a part at least.
  const account = scheme === "az" ? (parts.shift() as string) : null;
  const [bucket = "", ...prefix] = parts;
  if (account !== null && !ACCOUNT.test(account)) throw wrongUrl(scheme, url);
  if (!BUCKET.test(bucket)) throw bucket === "" ? wrongUrl(scheme, url) : wrongBucket(scheme, url);
  if (!prefix.every((part) => PREFIX_PART.test(part))) throw wrongUrl(scheme, url);
  return {
    scheme,
    account,
    bucket,
    prefix: prefix.length === 0 ? "" : `${prefix.join("/")}/`,
    url: `${scheme}://${[...(account === null ? [] : [account]), bucket, ...prefix].join("/")}`,
    options: { ...options, ...queryOptions(query) },
  };
}

function queryOptions(query: string): CloudOptions {
  const found: Record<string, string | boolean> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!QUERY_OPTIONS.has(name)) {
      const expected = `a URL whose query says only ${[...QUERY_OPTIONS].join(", ")}`;
      // Not the name itself: it may be the rest of a password with a `?` in it.
      throw new InvalidArgumentError("store", expected, "another word");
    }
    found[name] = FLAGS.has(name) ? value === "" || value === "true" : value;
  }
  return found;
}

function wrongUrl(scheme: CloudScheme, url: string): InvalidArgumentError {
  return new InvalidArgumentError("store", FORMS[scheme], withoutSecrets(url), {
    hint: "Credentials never stand in the URL: each provider's own chain finds them.",
  });
}

/** The form is right; the usual slip is in the name. */
function wrongBucket(scheme: CloudScheme, url: string): InvalidArgumentError {
  if (url.includes("@")) return wrongUrl(scheme, url);
  const what = scheme === "az" ? "container" : "bucket";
  const expected = `${FORMS[scheme]} with the name of a ${what}: at least 3 of a-z, 0-9, "-", "_" and ".", a letter or digit first and last`;
  return new InvalidArgumentError("store", expected, withoutSecrets(url), {
    hint: `Names of ${what}s have no capital letters; look it up in the provider's console.`,
  });
}

function splitOnce(text: string, separator: string): readonly string[] {
  const place = text.indexOf(separator);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)];
}
