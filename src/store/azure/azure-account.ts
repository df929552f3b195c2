import { InvalidArgumentError } from "../../errors.ts";
import type { ObjectPlace } from "../object-url.ts";

/** Where an account's blobs are, and what lets one in. */
export interface AzureAccount {
  /** Of the blob service of this account, no `/` at the end. */
  readonly serviceUrl: string;
  readonly access:
    | { readonly kind: "key"; readonly account: string; readonly key: string }
    /** A shared access signature, without `?`. */
    | { readonly kind: "signature"; readonly query: string }
    /** DefaultAzureCredential finds it. */
    | { readonly kind: "chain" };
}

const KNOWN_PARTS: readonly string[] = [
  "AccountName",
  "AccountKey",
  "BlobEndpoint",
  "DefaultEndpointsProtocol",
  "EndpointSuffix",
  "SharedAccessSignature",
];

/**
 * Finds the account that a URL names, and how it is reached.
 *
 * `endpoint` is a server with the account as the first part of the path (`http://127.0.0.1:10000`, as azurite has it),
 * unless the host is the account's own (`https://account.blob.core.chinacloudapi.cn`) or the path names it already.
 *
 * @throws InvalidArgumentError for a connection string that says too little or belongs to another account
 */
export function findAccount({ account, options }: ObjectPlace): AzureAccount {
  const named = account ?? "";
  const { connectionString, endpoint } = options;
  const parts = connectionString === undefined ? null : readConnectionString(connectionString);
  if (parts === null) {
    const serviceUrl = serviceUrlOf(endpoint ?? publicEndpoint(named), named);
    if (serviceUrl.startsWith("https:")) return { serviceUrl, access: { kind: "chain" } };
    throw new InvalidArgumentError(
      "endpoint",
      "https://host: the credentials of the chain go to no other",
      serviceUrl,
      {
        hint: "For a server without TLS, as azurite, give a connection string.",
      },
    );
  }
  const owner = parts["AccountName"] ?? accountOf(parts["BlobEndpoint"]);
  if (owner !== named) {
    throw new InvalidArgumentError("store", `az://${owner}/…, the account of the connection string`, named, {
      hint: "The account in the URL and that of AZURE_STORAGE_CONNECTION_STRING must be the same.",
    });
  }
  const ownEndpoint = parts["BlobEndpoint"] ?? endpointFrom(parts, named);
  return { serviceUrl: serviceUrlOf(endpoint ?? ownEndpoint, named), access: accessFrom(parts, named) };
}

type Parts = Readonly<Record<string, string>>;

function readConnectionString(text: string): Parts {
  const parts: Record<string, string> = {};
  for (const part of text.split(";")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(0, equals)).trim();
    // A key ends with "=" and a signature is full of them: only the first one separates.
    if (KNOWN_PARTS.includes(name)) parts[name] = part.slice(equals + 1).trim();
  }
  const isEnough =
    (parts["AccountName"] !== undefined && parts["AccountKey"] !== undefined) ||
    (parts["SharedAccessSignature"] !== undefined &&
      (parts["AccountName"] !== undefined || parts["BlobEndpoint"] !== undefined));
  if (isEnough) return parts;
  // Only the names of its parts: the rest may be a key.
  throw new InvalidArgumentError(
    "connectionString",
    "AccountName=…;AccountKey=… or BlobEndpoint=…;SharedAccessSignature=…, as the Azure portal shows it",
    Object.keys(parts).join(", ") || "none of these parts",
  );
}

function accessFrom(parts: Parts, account: string): AzureAccount["access"] {
  const { AccountKey: key, SharedAccessSignature: query = "" } = parts;
  if (key !== undefined) return { kind: "key", account, key };
  return { kind: "signature", query: query.replace(/^\?/, "") };
}

function endpointFrom(parts: Parts, account: string): string {
  const { DefaultEndpointsProtocol: protocol = "https", EndpointSuffix: suffix = "core.windows.net" } = parts;
  return `${protocol}://${account}.blob.${suffix}`;
}

function publicEndpoint(account: string): string {
  return `https://${account}.blob.core.windows.net`;
}

function serviceUrlOf(endpoint: string, account: string): string {
  const { origin, host, pathname } = readEndpoint(endpoint);
  const path = pathname.replace(/\/+$/, "");
  const isNamed = host.startsWith(`${account}.`) || path.endsWith(`/${account}`);
  return `${origin}${path}${isNamed ? "" : `/${account}`}`;
}

function accountOf(endpoint: string | undefined): string {
  const { hostname, pathname } = readEndpoint(endpoint ?? "");
  const first = pathname.split("/")[1] ?? "";
  return first === "" ? (hostname.split(".")[0] ?? "") : first;
}

function readEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint);
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "") return url;
  throw new InvalidArgumentError("endpoint", "http://host:port or https://host, without query and credentials", "");
}
