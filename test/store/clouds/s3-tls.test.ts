import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { selfSigned } from "../../servers/self-signed.ts";
import { bytes, connectForTest, metadata, piece, rejectionOf, whole } from "./s3-every-request.ts";

const trustedBefore = getCACertificates();
let plain: S3Cloud;
let secure: S3Cloud;
beforeAll(async () => {
  const tls = selfSigned("127.0.0.1");
  plain = await startS3Cloud();
  secure = await startS3Cloud({ tls });
  setDefaultCACertificates([...trustedBefore, tls.cert]);
});
afterEach(() => {
  for (const cloud of [plain, secure]) cloud.onRequest = null;
});
afterAll(async () => {
  setDefaultCACertificates(trustedBefore);
  await plain.close();
  await secure.close();
});

/** Of every request with a body of bytes: what its signature says of that, and its CRC-32C. */
async function uploadTo(cloud: S3Cloud): Promise<readonly (readonly [unknown, unknown])[]> {
  const client = await connectForTest(cloud.newUrl(), cloud.options());
  const id = await client.pieces.begin("pieces", whole);
  const seen: (readonly [unknown, unknown])[] = [];
  cloud.onRequest = ({ kind, headers }) => {
    if (kind.startsWith("put")) seen.push([headers["x-amz-content-sha256"], headers["x-amz-checksum-crc32c"]]);
    return null;
  };
  expect(await client.put("key", bytes, { ifAbsent: true, metadata })).toBe(true);
  await client.pieces.put("pieces", id, piece, whole);
  await client.pieces.complete("pieces", id, whole);
  for (const key of ["key", "pieces"]) expect(await client.get(key)).toEqual(bytes);
  return seen;
}

/** Literal: of "content". */
const CRC = "Ya91Mw==";
const SHA256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";

describe("s3: the checksums of an upload", () => {
  it("are both sent where anybody may listen, and the dearer one is not over TLS", async () => {
    expect(await uploadTo(plain)).toEqual([
      [SHA256, CRC],
      [SHA256, CRC],
    ]);
    expect(await uploadTo(secure)).toEqual([
      ["UNSIGNED-PAYLOAD", CRC],
      ["UNSIGNED-PAYLOAD", CRC],
    ]);
  });

  it("are not computed again where the caller has the SHA-256, which the server still verifies", async () => {
    const [toPlain, toSecure] = [
      await connectForTest(plain.newUrl(), plain.options()),
      await connectForTest(secure.newUrl(), secure.options()),
    ];
    const others = "0".repeat(64);
    expect(await rejectionOf(toPlain.put("told", bytes, { sha256: others }))).toMatchObject({
      code: "VARVE_STORE",
      message: expect.stringContaining("content-sha256"),
    });
    expect(await toPlain.put("told", bytes, { sha256: SHA256 })).toBe(true);
    expect(await toSecure.put("told", bytes, { sha256: others })).toBe(true);
    expect(await toPlain.get("told")).toEqual(bytes);
  });

  it("let the server refuse an upload over TLS whose bytes have changed", async () => {
    const client = await connectForTest(secure.newUrl(), secure.options());
    secure.onRequest = ({ kind, body }) => {
      if (kind === "put") body[3] = (body[3] ?? 0) ^ 4;
      return null;
    };
    const error = await rejectionOf(client.put("flipped", bytes));
    expect(error).toMatchObject({ kind: "io", retryable: true, message: expect.stringContaining("BadDigest") });
    expect(await client.get("flipped")).toBeNull();
  });
});
