import { StoreError } from "../errors.ts";
import type { ObjectClient } from "./object-client.ts";
import { ObjectStore } from "./object-store.ts";
import { type CloudOptions, type CloudScheme, type ObjectPlace, parseObjectUrl } from "./object-url.ts";
import type { Store } from "./store.ts";

interface Provider {
  readonly product: string;
  /** The SDK's packages, as a person would install them. */
  readonly packages: readonly string[];
  /** Imports the adapter, and with it the SDK. */
  readonly connect: (place: ObjectPlace) => Promise<ObjectClient>;
}

const PROVIDERS: Readonly<Record<CloudScheme, Provider>> = {
  gs: {
    product: "Google Cloud Storage",
    packages: ["@google-cloud/storage"],
    connect: async (place) => (await import("./gcs/gcs-client.ts")).connectGcs(place),
  },
  s3: {
    product: "Amazon S3",
    packages: ["@aws-sdk/client-s3"],
    connect: async (place) => (await import("./s3/s3-client.ts")).connectS3(place),
  },
  az: {
    product: "Azure Blob Storage",
    packages: ["@azure/storage-blob", "@azure/identity"],
    connect: async (place) => (await import("./azure/azure-client.ts")).connectAzure(place),
  },
};

/** Opens the store that a cloud URL names. Nothing is loaded and nothing sent before its first request. */
export function openObjectStore(url: string, options: CloudOptions): Store {
  const place = parseObjectUrl(url, options);
  assertInstalled(place);
  return new ObjectStore({
    connect: () => connectTo(place),
    url: place.url,
    prefix: place.prefix,
    traits: { conditionalCreate: place.options.exclusive !== true, stronglyConsistent: true, visibleIsDurable: true },
    location: { url, options: { ...options } },
  });
}

/** A client of the bucket itself, below no prefix. */
export async function connectTo(place: ObjectPlace): Promise<ObjectClient> {
  assertInstalled(place);
  return PROVIDERS[place.scheme].connect(place);
}

/** @throws StoreError of kind `unsupported`, with the command that installs what is missing */
function assertInstalled({ scheme, url }: ObjectPlace): void {
  const { product, packages } = PROVIDERS[scheme];
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const are = missing.length === 1 ? "is" : "are";
  throw new StoreError(
    "unsupported",
    "open",
    url,
    `${product} needs ${missing.join(" and ")}, which ${are} not installed`,
    {
      hint: `Run: npm install ${packages.join(" ")}`,
    },
  );
}

function isInstalled(packageName: string): boolean {
  try {
    import.meta.resolve(packageName);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return false;
    throw error;
  }
}
