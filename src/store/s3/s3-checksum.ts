import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { crc32c } from "../../base/hash.ts";

/** Checksums as the SDK names them in inputs and outputs. */
export interface ToldChecksums {
  readonly ChecksumCRC32C?: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
}

/** What the service compares with what arrives, before it acknowledges. */
export function checksumOf(bytes: Uint8Array): { readonly ChecksumCRC32C: string } {
  return { ChecksumCRC32C: inBase64(crc32c(bytes)) };
}

/** The name of the first checksum that is told of a whole object and is not that of the bytes; null if none is. */
export function differingChecksum(told: ToldChecksums, bytes: Uint8Array): string | null {
  const { ChecksumCRC32C, ChecksumCRC32, ChecksumSHA256 } = told;
  if (isOther(ChecksumCRC32C, () => inBase64(crc32c(bytes)))) return "CRC-32C";
  if (isOther(ChecksumCRC32, () => inBase64(crc32(bytes)))) return "CRC-32";
  if (isOther(ChecksumSHA256, () => createHash("sha256").update(bytes).digest("base64"))) return "SHA-256";
  return null;
}

/** That of an object made of parts ends with their number, and is the checksum of their checksums. */
function isOther(told: string | undefined, compute: () => string): boolean {
  return told !== undefined && !told.includes("-") && told !== compute();
}

function inBase64(word: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(word);
  return bytes.toString("base64");
}
