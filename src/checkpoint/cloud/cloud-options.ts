import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { withoutSecrets } from "../../base/without-secrets.ts";
import { InvalidArgumentError } from "../../errors.ts";
import { assertObjectKey } from "../../store/folder/object-key.ts";
import { type CloudPlace, cloudPlace } from "./cloud-place.ts";
import type { CloudEvent } from "./events.ts";

export type CloudProvider = "gcs" | "s3" | "azure" | "local";

export const CLOUD_PROVIDERS: readonly CloudProvider[] = ["gcs", "s3", "azure", "local"];

export interface CloudSyncOptions {
  readonly provider: CloudProvider;
  /** The bucket; of Azure the container; of `local` the folder that stands for a bucket, `./cloud` by default. */
  readonly bucket?: string | undefined;
  /** First part of the cloud paths that are not given: `project/checkpoints/…`. */
  readonly project?: string | undefined;
  /** gcs: a file that credentials are read from, in place of those that the provider's chain finds by itself. */
  readonly credentialsPath?: string | undefined;
  /** Another server than the provider's: an emulator, a MinIO-like server, R2. */
  readonly endpoint?: string | undefined;
  /** s3. */
  readonly region?: string | undefined;
  /** s3: `endpoint/bucket/key` and not `bucket.endpoint/key`. */
  readonly forcePathStyle?: boolean | undefined;
  /** azure: the storage account; a connection string names it too. */
  readonly account?: string | undefined;
  /** azure: as in AZURE_STORAGE_CONNECTION_STRING. Never shown. */
  readonly connectionString?: string | undefined;
  /** Transfers under way together; 4 by default. */
  readonly concurrency?: number | undefined;
  /** Over all uploads together; unlimited by default. */
  readonly maxUploadBytesPerSecond?: number | undefined;
  /** A request on which nothing moves for this long is given up and tried again. */
  readonly idleTimeoutMs?: number | undefined;
  /** How often a request is tried, in all; by default as often as it takes, for 10 minutes. */
  readonly attempts?: number | undefined;
  /** Where the lines for people go; "stderr" by default. */
  readonly log?: false | "stderr" | ((event: CloudEvent) => void) | undefined;
}

/** Options with every default filled in. */
export interface CheckedCloudOptions {
  readonly place: CloudPlace;
  readonly project: string;
  readonly concurrency: number;
  readonly maxUploadBytesPerSecond: number | null;
  readonly attempts: number | null;
  readonly log: NonNullable<CloudSyncOptions["log"]>;
}

const text = (expected: string): z.ZodOptional<z.ZodString> => z.string(expected).min(1, expected).optional();
const count = z.int("a positive integer").positive("a positive integer").optional();
/** Others are refused by every provider's client, at the first request. */
function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) return false;
  return url.username === "" && url.password === "" && url.search === "" && url.hash === "";
}

/** The messages say what was expected: `InvalidArgumentError` says the rest. */
const form = z.strictObject({
  provider: z.enum(CLOUD_PROVIDERS, `one of ${CLOUD_PROVIDERS.join(", ")}`),
  bucket: text("a bucket's name"),
  project: text("a relative path"),
  credentialsPath: text("a file"),
  endpoint: text("a URL").refine(
    (url) => url === undefined || isEndpoint(url),
    "an http or https URL, no more than that",
  ),
  region: text("a region's name"),
  forcePathStyle: z.boolean("true or false").optional(),
  account: text("a storage account's name"),
  connectionString: text("a connection string"),
  concurrency: count,
  maxUploadBytesPerSecond: z.number("a positive number").positive("a positive number").optional(),
  idleTimeoutMs: count,
  attempts: count,
  log: z
    .custom((log) => log === false || log === "stderr" || typeof log === "function", 'false, "stderr" or a function')
    .optional(),
});

/** @throws InvalidArgumentError before anything is opened; its text never holds a connection string */
export function checkCloudOptions(options: CloudSyncOptions): CheckedCloudOptions {
  if (typeof options !== "object" || options === null) {
    throw new InvalidArgumentError("options", "an object with `provider`", options);
  }
  const parsed = form.safeParse(options);
  if (!parsed.success) throw firstProblem(parsed.error, options);
  refuseForeignCredentials(options);
  if (options.project !== undefined) assertObjectKey("project", options.project);
  const { project = "", concurrency = 4, maxUploadBytesPerSecond, attempts, log = "stderr" } = options;
  return {
    place: cloudPlace(options),
    project,
    concurrency,
    maxUploadBytesPerSecond: maxUploadBytesPerSecond ?? null,
    attempts: attempts ?? null,
    log,
  };
}

const OTHER_NAMES: Readonly<Record<string, CloudProvider>> = {
  ...{ google: "gcs", gs: "gcs", aws: "s3", minio: "s3", r2: "s3", az: "azure", file: "local" },
};

/** Of a provider that is none; undefined where nothing is like it. */
export function providerHint(got: unknown): string | undefined {
  if (typeof got !== "string") return undefined;
  const name = got.trim().toLowerCase();
  const meant = CLOUD_PROVIDERS.find((known) => known === name) ?? OTHER_NAMES[name];
  return meant && `Did you mean "${meant}"?`;
}

function firstProblem({ issues }: z.ZodError, options: CloudSyncOptions): InvalidArgumentError {
  const [issue] = issues;
  if (issue === undefined || issue.code === "unrecognized_keys") {
    const known = Object.keys(form.shape).join(", ");
    return new InvalidArgumentError("options", `an object of ${known}`, issue?.keys[0] ?? options);
  }
  const name = String(issue.path[0]);
  const got = (options as unknown as Record<string, unknown>)[name];
  if (name === "connectionString") return new InvalidArgumentError(name, issue.message, "another type");
  if (name === "provider") return new InvalidArgumentError(name, issue.message, got, { hint: providerHint(got) });
  if (name !== "endpoint" || typeof got !== "string") return new InvalidArgumentError(name, issue.message, got);
  return new InvalidArgumentError(name, issue.message, withoutSecrets(got), {
    hint: "Without a name, a password or a query: credentials come from the provider's own chain.",
  });
}

/** A person who hands in credentials must not believe them in use where they are not. */
function refuseForeignCredentials(options: CloudSyncOptions): void {
  const { provider, credentialsPath, connectionString, account } = options;
  if (credentialsPath !== undefined && provider !== "gcs") {
    throw new InvalidArgumentError(
      "credentialsPath",
      `absent: it is for gcs, and the provider is ${provider}`,
      "a file",
    );
  }
  const isAzure = provider === "azure";
  if ((connectionString !== undefined || account !== undefined) && !isAzure) {
    const name = connectionString === undefined ? "account" : "connectionString";
    throw new InvalidArgumentError(name, `absent: it is for azure, and the provider is ${provider}`, "one");
  }
  if (credentialsPath !== undefined) assertReadable(resolve(credentialsPath));
}

function assertReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError("credentialsPath", `a file that can be read (${code})`, path, { cause: error });
  }
}
