import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { crc32c } from "../../base/hash.ts";

/** Checksums as the SDK names them in inputs and outputs. */
export interface ToldChecksums {
  readonly ChecksumCRC32C?: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
}

/** The checksums that uploads carry, as the SDK names them. */
export type SentAlgorithm = "SHA256" | "CRC32C";

export function isSentAlgorithm(name: string | undefined): name is SentAlgorithm {
  return name === "SHA256" || name === "CRC32C";
}

/**
 * What an upload carries. Without TLS its signature takes the SHA-256 of the body: computed once, it is the checksum
 * too. Over TLS it does not, and CRC-32C is eight times as fast, here, there, and when the object is read.
 *
 * @param endpoint - undefined for AWS itself, or where the environment names another: that carries CRC-32C
 */
export function usualAlgorithm(endpoint: string | undefined): SentAlgorithm {
  return endpoint !== undefined && URL.parse(endpoint)?.protocol === "http:" ? "SHA256" : "CRC32C";
}

/**
 * What the service compares with what arrives, before it acknowledges.
 *
 * @param sha256 - of the bytes in hexadecimal, where it is known
 */
export function checksumOf(
  bytes: Uint8Array,
  algorithm: SentAlgorithm,
  sha256?: string,
): Pick<ToldChecksums, "ChecksumSHA256" | "ChecksumCRC32C"> {
  if (algorithm === "CRC32C") return { ChecksumCRC32C: inBase64(crc32c(bytes)) };
  if (sha256 === undefined) return { ChecksumSHA256: sha256InBase64(bytes) };
  return { ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64") };
}

/** The name of the first checksum that is told of a whole object and is not that of the bytes; null if none is. */
export function differingChecksum(told: ToldChecksums, bytes: Uint8Array): string | null {
  const { ChecksumCRC32C, ChecksumCRC32, ChecksumSHA256 } = told;
  if (isOther(ChecksumCRC32C, () => inBase64(crc32c(bytes)))) return "CRC-32C";
  if (isOther(ChecksumCRC32, () => inBase64(crc32(bytes)))) return "CRC-32";
  if (isOther(ChecksumSHA256, () => sha256InBase64(bytes))) return "SHA-256";
  return null;
}

/** That of an object made of parts ends with their number, and is the checksum of their checksums. */
function isOther(told: string | undefined, compute: () => string): boolean {
  return told !== undefined && !told.includes("-") && told !== compute();
}

function sha256InBase64(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

function inBase64(word: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(word);
  return bytes.toString("base64");
}
