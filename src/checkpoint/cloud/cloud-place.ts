import { resolve } from "node:path";
import { InvalidArgumentError } from "../../errors.ts";
import {
  BUCKET_RULE,
  type CloudOptions,
  type CloudScheme,
  isAccountName,
  isBucketName,
  type ObjectPlace,
  parseObjectUrl,
} from "../../store/object-url.ts";
import type { CloudSyncOptions } from "./cloud-options.ts";

/** Where a CloudSync's files lie. Structured-cloneable: the saver's thread connects to it. */
export type CloudPlace =
  | { readonly kind: "folder"; readonly path: string; readonly url: string }
  | { readonly kind: "objects"; readonly place: ObjectPlace; readonly url: string };

const SCHEMES: Readonly<Record<"gcs" | "s3" | "azure", CloudScheme>> = { gcs: "gs", s3: "s3", azure: "az" };
const DEFAULT_FOLDER = "./cloud";

/** @throws InvalidArgumentError for a provider without its bucket: it never becomes a local folder in silence */
export function cloudPlace(options: CloudSyncOptions): CloudPlace {
  const { provider, bucket } = options;
  if (provider === "local") {
    const path = resolve(bucket ?? DEFAULT_FOLDER);
    return { kind: "folder", path, url: path };
  }
  const what = provider === "azure" ? "the container's name" : "the bucket's name";
  if (bucket === undefined) {
    const hint = 'Set CLOUD_BUCKET or `bucket`; to try without a cloud, use provider "local".';
    throw new InvalidArgumentError("bucket", what, bucket, { hint });
  }
  if (!isBucketName(bucket)) {
    const hint = "The name alone, without gs:// or the like; folders in it are named by `project`.";
    // What stands before an @ may be a password.
    const got = bucket.includes("@") ? "a name with @ in it" : bucket;
    throw new InvalidArgumentError("bucket", `${what}: ${BUCKET_RULE}`, got, { hint });
  }
  const account = provider === "azure" ? azureAccount(options) : null;
  const url = `${SCHEMES[provider]}://${account === null ? "" : `${account}/`}${bucket}`;
  const place = parseObjectUrl(url, cloudOptions(options));
  return { kind: "objects", place, url: place.url };
}

/** What the provider has no use for is left out. */
function cloudOptions(options: CloudSyncOptions): CloudOptions {
  const { provider, endpoint, region, forcePathStyle, credentialsPath, connectionString, idleTimeoutMs } = options;
  return {
    endpoint,
    idleTimeoutMs,
    ...(provider === "s3" ? { region, forcePathStyle } : {}),
    ...(provider === "gcs" ? { credentialsPath } : {}),
    ...(provider === "azure" ? { connectionString } : {}),
  };
}

/** The account that Azurite and its predecessors have. */
const DEVELOPMENT_ACCOUNT = "devstoreaccount1";

/** @throws InvalidArgumentError; its text holds nothing of the connection string */
function azureAccount({ account, connectionString }: CloudSyncOptions): string {
  const found = account ?? (connectionString === undefined ? undefined : accountIn(connectionString));
  if (found !== undefined) {
    if (isAccountName(found)) return found;
    const shown = account === undefined ? "another AccountName in the connection string" : found;
    throw new InvalidArgumentError("account", "the storage account's name: 3 to 24 of a-z and 0-9", shown);
  }
  const got = connectionString === undefined ? undefined : "a connection string without AccountName";
  throw new InvalidArgumentError("account", "the storage account's name", got, {
    hint: "Set `account`, or AZURE_STORAGE_CONNECTION_STRING, which names it.",
  });
}

function accountIn(connectionString: string): string | undefined {
  const fields = new Map(
    connectionString.split(";").map((field) => {
      const place = field.indexOf("=");
      return [field.slice(0, place).trim().toLowerCase(), field.slice(place + 1).trim()] as const;
    }),
  );
  const name = fields.get("accountname");
  if (name !== undefined) return name;
  if (fields.get("usedevelopmentstorage") === "true") return DEVELOPMENT_ACCOUNT;
  // With a shared access signature only the endpoint tells.
  return /^https?:\/\/([a-z0-9]+)\.blob\./.exec(fields.get("blobendpoint") ?? "")?.[1];
}
