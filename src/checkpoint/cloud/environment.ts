import { InvalidArgumentError } from "../../errors.ts";
import { CLOUD_PROVIDERS, type CloudProvider, type CloudSyncOptions, providerHint } from "./cloud-options.ts";

/** What the environment says. */
export interface CloudEnvironment {
  readonly options: CloudSyncOptions;
  /** What a person should change. */
  readonly warnings: readonly string[];
}

/**
 * Reads the variables that CloudSync.fromEnv documents; `overrides` go before them.
 *
 * @throws InvalidArgumentError for an unknown provider, and for a bucket without a provider: what was meant for a cloud
 *   must not end on local disk in silence
 */
export function readCloudEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  overrides: Partial<CloudSyncOptions>,
): CloudEnvironment {
  const given = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const provider = overrides.provider ?? providerOf(given("CLOUD_PROVIDER"), given("CLOUD_BUCKET"));
  const warnings: string[] = [];
  let credentialsPath = given("GOOGLE_APPLICATION_CREDENTIALS");
  const legacy = given("GCS_CREDENTIALS");
  if (provider === "gcs" && legacy !== undefined) {
    const which = credentialsPath === undefined ? "is deprecated: rename it to" : "is passed over for";
    warnings.push(`the variable GCS_CREDENTIALS ${which} GOOGLE_APPLICATION_CREDENTIALS`);
    credentialsPath ??= legacy;
  }
  const options: CloudSyncOptions = {
    provider,
    bucket: given("CLOUD_BUCKET"),
    project: given("CLOUD_PROJECT"),
    ...(provider === "gcs" ? { credentialsPath } : {}),
    ...(provider === "azure" ? azureOptions(given) : {}),
  };
  const chosen = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { options: { ...options, ...Object.fromEntries(chosen) }, warnings };
}

/** A connection string names its account; without one, sign-in is by identity, and only the account has to be named. */
function azureOptions(given: (name: string) => string | undefined): Partial<CloudSyncOptions> {
  const connectionString = given("AZURE_STORAGE_CONNECTION_STRING");
  return connectionString === undefined ? { account: given("AZURE_STORAGE_ACCOUNT") } : { connectionString };
}

function providerOf(provider: string | undefined, bucket: string | undefined): CloudProvider {
  if (provider === undefined && bucket === undefined) return "local";
  const known = CLOUD_PROVIDERS.find((name) => name === provider);
  if (known !== undefined) return known;
  const expected = `one of ${CLOUD_PROVIDERS.join(", ")}`;
  const why = provider === undefined ? `${expected}, as CLOUD_BUCKET is set` : expected;
  throw new InvalidArgumentError("CLOUD_PROVIDER", why, provider, { hint: providerHint(provider) });
}
