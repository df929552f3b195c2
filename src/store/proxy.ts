import { InvalidArgumentError } from "../errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What Node's agents take a proxy from. */
type ProxyEnvironment = Record<"HTTP_PROXY" | "HTTPS_PROXY" | "NO_PROXY", string>;

/** No proxy leads to this machine itself. */
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/** The code for a proxy that lets no connection through, as `object-errors` knows it. */
export const PROXY_REFUSED = "ERR_PROXY_REFUSED";
/** And for one that cannot at the moment. */
const PROXY_FAILED = "ERR_PROXY_FAILED";

export const PROXY_HINT =
  "The proxy named by HTTPS_PROXY or HTTP_PROXY refuses this: a name and a password may have to stand in its URL; hosts that need no proxy go into NO_PROXY.";

/** The names of proxies, lower case first as everywhere; `host:port` is one too. */
export function proxyEnvironment(environment: Environment): ProxyEnvironment {
  const valueOf = (name: string): string => environment[name.toLowerCase()] || environment[name] || "";
  const urlOf = (name: string): string => valueOf(name).replace(/^(?=[^:/]+(:\d+)?\/?$)/, "http://");
  const exempt = [valueOf("NO_PROXY"), ...LOOPBACK].filter((host) => host !== "");
  return { HTTP_PROXY: urlOf("HTTP_PROXY"), HTTPS_PROXY: urlOf("HTTPS_PROXY"), NO_PROXY: exempt.join(",") };
}

/**
 * What to say of a connection that failed, where it was the one to the proxy: by the address in the system's own text.
 * Only the host is named; a URL may hold a password.
 */
export function unreachableProxyHint(message: string, environment: Environment): string | undefined {
  const { HTTPS_PROXY, HTTP_PROXY } = proxyEnvironment(environment);
  for (const [name, url] of Object.entries({ HTTPS_PROXY, HTTP_PROXY })) {
    if (!URL.canParse(url)) continue;
    const { hostname, port, host, protocol } = new URL(url);
    const address = `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
    // A name that is not found is told without its port.
    if (!message.includes(/ENOTFOUND|EAI_AGAIN/.test(message) ? hostname : address)) continue;
    return `That is the proxy of ${name} (${host}), through which requests go: start or correct it; hosts that need none go into NO_PROXY.`;
  }
  return undefined;
}

/** For what an agent's constructor throws. Its text would show the URL, and a password in it. */
export function wrongProxyError(error: unknown): unknown {
  const isAboutProxy =
    (error as NodeJS.ErrnoException).code === "ERR_PROXY_INVALID_CONFIG" || error instanceof URIError;
  if (!isAboutProxy) return error;
  return new InvalidArgumentError("HTTPS_PROXY or HTTP_PROXY", "http://host:port", "what is no URL");
}

/**
 * For why a tunnel did not open.
 *
 * @param idleError - where the proxy stood still
 */
export function tunnelError(error: Error, idleError: () => Error): Error {
  const { code, statusCode, proxyTunnelTimeout } = error as TunnelFailure;
  // Of the connection to the proxy, or of the handshake with the server behind it.
  if (code !== "ERR_PROXY_TUNNEL") return error;
  if (proxyTunnelTimeout !== undefined) return idleError();
  if (statusCode === undefined) return failure("the proxy closed the connection", PROXY_FAILED);
  const isRefused = statusCode >= 400 && statusCode < 500 && statusCode !== 408 && statusCode !== 429;
  return failure(`the proxy answered ${statusCode} to CONNECT`, isRefused ? PROXY_REFUSED : PROXY_FAILED);
}

interface TunnelFailure extends NodeJS.ErrnoException {
  readonly statusCode?: number;
  readonly proxyTunnelTimeout?: number;
}

function failure(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
