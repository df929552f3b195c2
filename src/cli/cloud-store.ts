import { openStore, type Store } from "../index.ts";

/**
 * The store that a person named on the command line. What only the environment may say (a connection string, a file of
 * credentials) goes along and is never shown; a folder or any other URL stays the text that it is.
 */
export async function storeNamed(url: string, env: NodeJS.ProcessEnv = process.env): Promise<string | Store> {
  const options = cloudOptionsOf(url, env);
  return options === null ? url : openStore(url, options);
}

function cloudOptionsOf(url: string, env: NodeJS.ProcessEnv): Readonly<Record<string, string>> | null {
  const connectionString = env["AZURE_STORAGE_CONNECTION_STRING"];
  if (url.startsWith("az://") && isSet(connectionString)) return { connectionString };
  const credentialsPath = env["GCS_CREDENTIALS"];
  const isOwnChain = isSet(env["GOOGLE_APPLICATION_CREDENTIALS"]);
  if (url.startsWith("gs://") && isSet(credentialsPath) && !isOwnChain) return { credentialsPath };
  return null;
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}
