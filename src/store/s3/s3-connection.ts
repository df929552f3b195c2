import { type PutObjectCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { InvalidArgumentError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import type { CloudOptions, ObjectPlace } from "../object-url.ts";

/** Where a server other than AWS cares for no region, any will do; this is what they expect in the signature. */
const ANY_REGION = "us-east-1";

/**
 * Finds the region, and how clients of the SDK are made. Sends nothing.
 *
 * @throws InvalidArgumentError for an endpoint that is none, or where no region is given and the SDK finds none
 */
export async function openConnections({ options }: ObjectPlace, agents: IdleAgents): Promise<() => S3Client> {
  if (options.endpoint !== undefined) assertEndpoint(options.endpoint);
  const region = options.region ?? (await findRegion(options, agents));
  return () => {
    const client = new S3Client(configOf(options, agents, region));
    signByChecksum(client);
    return client;
  };
}

/**
 * The signature takes the SHA-256 of a body, which the SDK would compute. Without TLS that is the one in the header of
 * the checksum, where it is this. Over TLS nobody can change a body on its way, and any checksum of it is in a header
 * that is signed: the SHA-256 besides cost half of the time that an upload takes here (5 of 10 ms for 8 MiB).
 */
function signByChecksum(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { protocol, headers } = args.request as { protocol?: string; headers: Record<string, string> };
      const { "x-amz-checksum-sha256": sha256, "x-amz-checksum-crc32c": crc32c } = headers;
      const isCovered = sha256 !== undefined || crc32c !== undefined;
      if (isCovered && protocol === "https:") headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
      else if (sha256 !== undefined) headers["x-amz-content-sha256"] = Buffer.from(sha256, "base64").toString("hex");
      return next(args);
    },
    { step: "build", name: "signByChecksum" },
  );
}

/** What is signed without TLS is the SHA-256 of the body: that of an endpoint in the environment shows only here. */
export function tellPayloadHash(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] ??= sha256;
      return next(args);
    },
    { step: "build", name: "tellPayloadHash" },
  );
}

/** Of the environment or of AWS's own files, as the SDK finds it. */
async function findRegion(options: CloudOptions, agents: IdleAgents): Promise<string> {
  try {
    return await new S3Client(configOf(options, agents, undefined)).config.region();
  } catch (error) {
    if (options.endpoint !== undefined) return ANY_REGION;
    throw new InvalidArgumentError("region", "given, or set by AWS_REGION or in ~/.aws/config", undefined, {
      cause: error,
      hint: "Give the bucket's region as `region` (in a store's URL: ?region=eu-central-1), or set AWS_REGION to it.",
    });
  }
}

/** What AWS's own files say is read again for every client: they may hold newer credentials by then. */
type Config = S3ClientConfig & { readonly ignoreCache: boolean };

function configOf({ endpoint, forcePathStyle }: CloudOptions, agents: IdleAgents, region: string | undefined): Config {
  return {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    maxAttempts: 1,
    requestHandler: { httpAgent: agents.http, httpsAgent: agents.https },
    // Ours go into a header of every upload. The SDK's would add a trailer and AWS's own chunks to some requests, which
    // not every server knows, and are computed in JavaScript.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // With agents of our own the SDK does not wait for the answer that this header asks for.
    expectContinueHeader: false,
    ignoreCache: true,
  };
}

function assertEndpoint(endpoint: string): void {
  const url = URL.parse(endpoint);
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "") return;
  throw new InvalidArgumentError("endpoint", "http://host:port or https://host, without query and credentials", "");
}
