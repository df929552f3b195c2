import { Storage } from "@google-cloud/storage";
import { systemSleep } from "../../base/timers.ts";
import { InvalidArgumentError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import { DEFAULT_IDLE_TIMEOUT_MS, type ObjectPlace } from "../object-url.ts";

export type AccessHeaders = Readonly<Record<string, string>>;

/** Where the service is, and what lets one in. */
export interface GcsAccess {
  /** No `/` at the end. */
  readonly endpoint: string;
  /**
   * Signs in where there is no token that is still good. Rejects with whatever the SDK rejects with.
   *
   * @param refused - what this gave before and the service takes no more: signs in anew, once for all who were refused
   */
  authorize(refused?: AccessHeaders): Promise<AccessHeaders>;
}

/**
 * The SDK asks for a project at sign-in, and where none is given starts `gcloud`, asks the metadata server, and for
 * identities of other providers asks an API that these need not be let into. Requests about objects need no project.
 */
const NO_PROJECT = "none";

/**
 * What the SDK makes of the options and of its own environment: which server, and the chain of credentials.
 *
 * Another endpoint than Google's own is asked without credentials, as the SDK does for emulators, unless a file of
 * credentials was given for it and nobody can listen on the way.
 *
 * Only this of the SDK is used. Its requests take no signal, hold an upload to no time but a total one, and compute
 * checksums in JavaScript: 44 ms for 8 MB.
 *
 * @throws InvalidArgumentError unless the endpoint is a URL without query and credentials
 */
export function openAccess({ options }: ObjectPlace, agents: IdleAgents): GcsAccess {
  const { endpoint, credentialsPath, project, idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS } = options;
  if (endpoint !== undefined) assertEndpoint(endpoint);
  const clientOptions = {
    transporterOptions: {
      agent: (url: URL) => (url.protocol === "https:" ? agents.https : agents.http),
    },
  };
  const openStorage = (): Storage =>
    new Storage({
      projectId: project ?? NO_PROJECT,
      ...(endpoint !== undefined && { apiEndpoint: endpoint }),
      clientOptions,
    });
  const { apiEndpoint, customEndpoint } = openStorage();
  const isTrusted =
    !customEndpoint || isGoogle(apiEndpoint) || (credentialsPath !== undefined && isPrivate(apiEndpoint));
  const billing: AccessHeaders = project === undefined ? {} : { "x-goog-user-project": project };
  const signIn = new SignIn(async () => {
    const { authClient } = openStorage();
    if (credentialsPath === undefined) return authClient.getClient();
    // As the chain reads the file that GOOGLE_APPLICATION_CREDENTIALS names. The option `keyFilename` does the same, and
    // prints that it is deprecated.
    return authClient._getApplicationCredentialsFromFilePath(credentialsPath, clientOptions);
  }, idleTimeoutMs);
  return {
    endpoint: apiEndpoint,
    authorize: async (refused) =>
      isTrusted ? { ...(await signIn.headers(apiEndpoint, refused?.["authorization"])), ...billing } : billing,
  };
}

interface TokenSource {
  getRequestHeaders(url: string): Promise<Headers>;
}

/** One identity, and its token for all requests. */
class SignIn {
  readonly #open: () => Promise<TokenSource>;
  readonly #limitMs: number;
  #source: Promise<TokenSource> | null = null;
  /** What was given out last. */
  #authorization: string | undefined;

  /**
   * @param limitMs - for a sign-in as a whole. Its requests are few and small, and the SDK sends some of them, and again
   *   and again, over connections of its own that nothing cuts when they are idle
   */
  constructor(open: () => Promise<TokenSource>, limitMs: number) {
    this.#open = open;
    this.#limitMs = limitMs;
  }

  async headers(url: string, refused: string | undefined): Promise<AccessHeaders> {
    // Others may have been refused with it too, and have begun anew by now.
    if (refused !== undefined && refused === this.#authorization) this.#forget();
    try {
      const source = (this.#source ??= this.#open());
      const token = source.then((opened) => opened.getRequestHeaders(url));
      const headers = Object.fromEntries(await within(this.#limitMs, token));
      if (source === this.#source) this.#authorization = headers["authorization"];
      return headers;
    } catch (error) {
      // A failure is not remembered: the next request tries again.
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#source = null;
    this.#authorization = undefined;
  }
}

async function within<Result>(limitMs: number, pending: Promise<Result>): Promise<Result> {
  const over = new AbortController();
  const late = systemSleep(limitMs, over.signal).then(() => {
    throw Object.assign(new Error(`no token for ${limitMs} ms`), { code: "ETIMEDOUT" });
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    over.abort();
  }
}

function assertEndpoint(endpoint: string): void {
  const url = URL.parse(endpoint);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "";
  if (isPlain) return;
  throw new InvalidArgumentError("endpoint", "http://host:port or https://host, without query and credentials", "");
}

/** Of one region, or private to a network of the customer: `storage.europe-west3.rep.googleapis.com`. */
function isGoogle(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === "https:" && hostname.endsWith(".googleapis.com");
}

function isPrivate(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === "https:" || hostname === "127.0.0.1" || hostname === "[::1]" || hostname === "localhost";
}
