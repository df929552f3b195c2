import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { parseObjectUrl } from "../../../src/store/object-url.ts";
import { connectS3 } from "../../../src/store/s3/s3-client.ts";
import { xmlAnswer } from "../../servers/s3/s3-answer.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { selfSigned } from "../../servers/self-signed.ts";
import { bytes, connectForTest, metadata, piece, rejectionOf, whole } from "./s3-every-request.ts";

const MEBIBYTE = 1024 * 1024;

const trustedBefore = getCACertificates();
let plain: S3Cloud;
let secure: S3Cloud;
beforeAll(async () => {
  const tls = selfSigned("127.0.0.1");
  plain = await startS3Cloud({ minPartBytes: MEBIBYTE });
  secure = await startS3Cloud({ tls, minPartBytes: MEBIBYTE });
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

/** Literal: of "content". */
const CRC = "Ya91Mw==";
const SHA256 = "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=";
const HEX = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
const OTHER_HEX = "0".repeat(64);

const WITH_CRC = { crc32c: CRC, sha256: undefined };
const WITH_SHA256 = { crc32c: undefined, sha256: SHA256 };
/** What a signature says of a body that it is not of. */
const UNSIGNED = { signed: "UNSIGNED-PAYLOAD" };
const SIGNED = { signed: HEX };

/** Literal: of "content" and a zero. */
const OF_OTHERS = {
  signed: "b37270dffa2b25a18126d13c399064a71c7d6503dcd4ddbbfeb830990419eac9",
  crc32c: undefined,
  sha256: "s3Jw3/orJaGBJtE8OZBkpxx9ZQPc1N27/rgwmQQZ6sk=",
};

/** What is told of the bytes of every upload from now on. */
function watch(cloud: S3Cloud): Record<string, unknown>[] {
  const seen: Record<string, unknown>[] = [];
  cloud.onRequest = ({ kind, headers }) => {
    if (kind !== "put" && kind !== "putPart") return null;
    const {
      "x-amz-content-sha256": signed,
      "x-amz-checksum-crc32c": crc32c,
      "x-amz-checksum-sha256": sha256,
    } = headers;
    seen.push({ signed, crc32c, sha256 });
    return null;
  };
  return seen;
}

const connect = (cloud: S3Cloud): Promise<ObjectClient> => connectForTest(cloud.newUrl(), cloud.options());

/** A client whose pieces are of a MiB. */
async function connectSmall(cloud: S3Cloud): Promise<ObjectClient> {
  const client = await connectS3(parseObjectUrl(cloud.newUrl(), cloud.options()), { pieceBytes: MEBIBYTE });
  onTestFinished(() => client.close());
  return client;
}

describe("s3: the checksum of an upload", () => {
  it("is the SHA-256, once for signature and server, where anybody may listen", async () => {
    const client = await connect(plain);
    const seen = watch(plain);
    expect(await client.put("key", bytes, { ifAbsent: true, metadata })).toBe(true);
    expect(await client.put("told", bytes, { sha256: HEX })).toBe(true);
    const id = await client.pieces.begin("pieces", whole);
    await client.pieces.put("pieces", id, piece, whole);
    expect(plain.uploads.get(id)?.checksum).toBe("sha256");
    await client.pieces.complete("pieces", id, whole);
    const both = { ...SIGNED, ...WITH_SHA256 };
    expect(seen).toEqual([both, both, both]);
    for (const key of ["key", "told", "pieces"]) expect(await client.get(key)).toEqual(bytes);
    // Literal: SHA-256 of the SHA-256.
    expect(plain.objects.get("pieces")?.checksums).toEqual({
      "x-amz-checksum-sha256": "xO7IXrZrebj1n/dql9XZeqwbXsqMZnW06Yil3up4blM=-1",
    });
  });

  it("is over TLS the CRC-32C, also where the caller has the SHA-256, and the body is not signed", async () => {
    const client = await connect(secure);
    const seen = watch(secure);
    expect(await client.put("key", bytes, { ifAbsent: true, metadata })).toBe(true);
    expect(await client.put("told", bytes, { sha256: HEX })).toBe(true);
    const id = await client.pieces.begin("pieces", whole);
    await client.pieces.put("pieces", id, piece, whole);
    expect(secure.uploads.get(id)?.checksum).toBe("crc32c");
    await client.pieces.complete("pieces", id, whole);
    const cheap = { ...UNSIGNED, ...WITH_CRC };
    expect(seen).toEqual([cheap, cheap, cheap]);
    for (const key of ["key", "told", "pieces"]) expect(await client.get(key)).toEqual(bytes);
  });

  it("is over TLS the signature where a body has no other", async () => {
    const client = await connect(secure);
    const id = await client.pieces.begin("signed", whole);
    await client.pieces.put("signed", id, piece, whole);
    const seen: unknown[] = [];
    secure.onRequest = ({ kind, headers }) => {
      if (kind === "completeUpload") seen.push(headers["x-amz-content-sha256"]);
      return null;
    };
    await client.pieces.complete("signed", id, whole);
    expect(seen).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  it("is not computed without TLS where the caller has the SHA-256, which the server verifies", async () => {
    const client = await connect(plain);
    const message = expect.stringContaining("XAmzContentSHA256Mismatch");
    const refused = client.put("of others", bytes, { sha256: OTHER_HEX });
    expect(await rejectionOf(refused)).toMatchObject({ code: "VARVE_STORE", kind: "io", message });
    expect(await client.get("of others")).toBeNull();
  });

  it("lets the server refuse an upload over TLS whose bytes have changed", async () => {
    const client = await connect(secure);
    const id = await client.pieces.begin("pieces", whole);
    secure.onRequest = ({ kind, body }) => {
      if (kind.startsWith("put")) body[3] = (body[3] ?? 0) ^ 4;
      return null;
    };
    for (const upload of [
      client.put("flipped", bytes),
      client.put("flipped", bytes, { sha256: HEX }),
      client.pieces.put("pieces", id, piece, whole),
    ]) {
      const error = await rejectionOf(upload);
      expect(error).toMatchObject({ kind: "io", retryable: true, message: expect.stringContaining("BadDigest") });
    }
    expect(await client.get("flipped")).toBeNull();
    expect(await client.pieces.held("pieces", id, whole)).toBe(0);
  });

  it("is refused where it is wrong on trial, whatever the protocol", async () => {
    for (const cloud of [plain, secure]) {
      const client = await connect(cloud);
      const seen = watch(cloud);
      const error = await rejectionOf(client.putWithWrongChecksum?.("trial", bytes) ?? Promise.resolve());
      expect(error).toMatchObject({ code: "VARVE_STORE", kind: "io" });
      expect(seen).toEqual([cloud === plain ? OF_OTHERS : { ...UNSIGNED, crc32c: "ca9GYQ==", sha256: undefined }]);
      expect(await client.get("trial")).toBeNull();
    }
  });
});

describe("s3: an upload that was begun with another checksum", () => {
  /** A piece of zeros, and one of "content". */
  const totalBytes = MEBIBYTE + bytes.length;
  const file = { totalBytes, metadata };
  const first = { index: 0, offset: 0, bytes: new Uint8Array(MEBIBYTE), isLast: false };
  const last = { index: 1, offset: MEBIBYTE, bytes, isLast: true };

  it.each([
    ["by an older Varve, without TLS", "CRC32C", { ...SIGNED, ...WITH_CRC }],
    ["without TLS, and goes on with it", "SHA256", { ...UNSIGNED, ...WITH_SHA256 }],
  ])("is gone on with as it was begun: %s", async (_title, algorithm, expected) => {
    const cloud = algorithm === "CRC32C" ? plain : secure;
    cloud.onRequest = ({ headers }) => {
      headers["x-amz-checksum-algorithm"] = algorithm;
      return null;
    };
    const id = await (await connectSmall(cloud)).pieces.begin("other", file);
    const seen = watch(cloud);
    for (const [held, part] of [first, last].entries()) {
      const { pieces } = await connectSmall(cloud);
      expect(await pieces.held("other", id, file)).toBe(held);
      await pieces.put("other", id, part, file);
    }
    expect(seen).toEqual([expect.anything(), expected]);
    const client = await connectSmall(cloud);
    await client.pieces.complete("other", id, file);
    const object = await client.get("other");
    expect(object !== null && Buffer.compare(object, Buffer.concat([first.bytes, bytes])) === 0).toBe(true);
    expect(Object.keys(cloud.objects.get("other")?.checksums ?? {})).toEqual([
      `x-amz-checksum-${algorithm.toLowerCase()}`,
    ]);
  });

  it("is no reason to send that for others", async () => {
    const client = await connect(plain);
    plain.onRequest = ({ headers }) => {
      headers["x-amz-checksum-algorithm"] = "CRC32C";
      return null;
    };
    const id = await client.pieces.begin("other", whole);
    expect(await client.pieces.held("other", id, whole)).toBe(0);
    plain.onRequest = null;
    const own = await client.pieces.begin("own", whole);
    await client.pieces.put("own", own, piece, whole);
    await client.pieces.complete("own", own, whole);
    expect(await client.get("own")).toEqual(bytes);
  });

  it.each(["", "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"])(
    "is taken for one of ours where the server tells nothing that we send: %s",
    async (told) => {
      const client = await connect(plain);
      const id = await client.pieces.begin("untold", whole);
      plain.onRequest = ({ kind }) =>
        kind === "listParts" ? xmlAnswer("ListPartsResult", `<IsTruncated>false</IsTruncated>${told}`) : null;
      expect(await client.pieces.held("untold", id, whole)).toBe(0);
      const seen = watch(plain);
      await client.pieces.put("untold", id, piece, whole);
      expect(seen).toEqual([{ ...SIGNED, ...WITH_SHA256 }]);
    },
  );
});
