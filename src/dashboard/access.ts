import { createHash, timingSafeEqual } from "node:crypto";
import { hostname } from "node:os";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

/** Who may look: the right Host, a method that changes nothing, and the token. */
export interface AccessOptions {
  /** The address that the server is bound to. */
  readonly host: string;
  /** Part of the cookie's name: browsers keep one set of cookies for all ports of a host. */
  readonly port: () => number;
  readonly token: string;
}

const HOW_TO_GET_IN = `This dashboard needs its token.
Open the address that was printed when it started (it ends in /?token=...), or send "Authorization: Bearer <token>".
`;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** Headers that every answer carries, refusals included. */
export function securityHeaders(): MiddlewareHandler {
  return async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) context.res.headers.set(name, value);
  };
}

/**
 * Refuses a request that names another host: a page of a stranger, whose name was made to point here (DNS rebinding),
 * reaches this server with that name. The port is not looked at, because a tunnel may have another one.
 */
export function requireKnownHost(host: string): MiddlewareHandler {
  const isKnown = hostCheck(host);
  return async (context, next) => {
    if (isKnown(context.req.header("host"))) return next();
    return context.text("This dashboard is not served under that host name.\n", 421);
  };
}

/** Nothing here changes anything. */
export function requireReading(): MiddlewareHandler {
  return async (context, next) => {
    if (context.req.method === "GET" || context.req.method === "HEAD") return next();
    return context.text("Only GET and HEAD are answered.\n", 405, { allow: "GET, HEAD" });
  };
}

/** Lets in who has the token; `/?token=` puts it into a cookie, so that it does not stay in the address. */
export function requireToken({ token, port }: AccessOptions): MiddlewareHandler {
  const isToken = tokenCheck(token);
  return async (context, next) => {
    const cookie = `varve-dashboard-${port()}`;
    const given = context.req.path === "/" ? context.req.query("token") : undefined;
    if (given !== undefined && isToken(given)) {
      setCookie(context, cookie, given, { httpOnly: true, sameSite: "Strict", path: "/" });
      return context.redirect("/", 303);
    }
    if (given === undefined && isToken(bearerOf(context) ?? getCookie(context, cookie))) return next();
    return context.text(HOW_TO_GET_IN, 401, { "www-authenticate": "Bearer" });
  };
}

function bearerOf(context: Context): string | undefined {
  return /^Bearer +(\S+)$/i.exec(context.req.header("authorization") ?? "")?.[1];
}

/** Compares in constant time, whatever the lengths. */
function tokenCheck(token: string): (given: string | undefined) => boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(token);
  return (given) => given !== undefined && timingSafeEqual(digest(given), expected);
}

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1"]);
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Names of this machine; a server on all its addresses also answers to those, which no stranger's page can name. */
function hostCheck(host: string): (header: string | undefined) => boolean {
  const names = new Set([...LOOPBACK, host.toLowerCase()]);
  const isWildcard = WILDCARDS.has(host);
  if (isWildcard) names.add(hostname().toLowerCase());
  return (header) => {
    const name = nameIn(header);
    return name !== null && (names.has(name) || (isWildcard && isAddress(name)));
  };
}

/** Without port and brackets, in lower case; null for what is no host. */
function nameIn(header: string | undefined): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header ?? "");
  return match === null ? null : (match[1] ?? match[2] ?? "").toLowerCase();
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name);
}
