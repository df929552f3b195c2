import { Storage } from "@google-cloud/storage";
import { InvalidArgumentError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import type { ObjectPlace } from "../object-url.ts";

/** Where the service is, and what lets one in. */
export interface GcsAccess {
  /** No `/` at the end. */
  readonly endpoint: string;
  /** Signs in where there is no token that is still good. Rejects with whatever the SDK rejects with. */
  authorize(): Promise<Readonly<Record<string, string>>>;
}

/**
 * What the SDK makes of the options and of its own environment: which server, and the chain of credentials.
 *
 * Another endpoint is asked without credentials, as the SDK does for emulators, unless a file of credentials was given
 * for it and nobody can listen on the way.
 *
 * Only this of the SDK is used. Its requests take no signal, hold an upload to no time but a total one, and compute
 * checksums in JavaScript: 44 ms for 8 MB.
 *
 * @throws InvalidArgumentError unless the endpoint is a URL without query and credentials
 */
export function openAccess({ options }: ObjectPlace, agents: IdleAgents): GcsAccess {
  const { endpoint, credentialsPath, project } = options;
  if (endpoint !== undefined) assertEndpoint(endpoint);
  const storage = new Storage({
    ...(endpoint !== undefined && { apiEndpoint: endpoint }),
    ...(credentialsPath !== undefined && { keyFilename: credentialsPath }),
    clientOptions: {
      transporterOptions: { agent: (url: URL) => (url.protocol === "https:" ? agents.https : agents.http) },
    },
  });
  const isTrusted = !storage.customEndpoint || (credentialsPath !== undefined && isPrivate(storage.apiEndpoint));
  const billing = project === undefined ? {} : { "x-goog-user-project": project };
  return {
    endpoint: storage.apiEndpoint,
    authorize: async () =>
      isTrusted
        ? { ...Object.fromEntries(await storage.authClient.getRequestHeaders(storage.apiEndpoint)), ...billing }
        : billing,
  };
}

function assertEndpoint(endpoint: string): void {
  const url = URL.parse(endpoint);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "";
  if (isPlain) return;
  throw new InvalidArgumentError("endpoint", "http://host:port or https://host, without query and credentials", "");
}

function isPrivate(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === "https:" || hostname === "127.0.0.1" || hostname === "[::1]" || hostname === "localhost";
}
