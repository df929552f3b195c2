import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";

/** By question: a fact, or the status and the word of a refusal. */
export type Answers = Readonly<Record<string, string>>;

type Asked = Readonly<Record<string, () => Promise<string>>>;

interface Asker {
  readonly client: S3Client;
  readonly Bucket: string;
}

const ten = new Uint8Array(10).fill(65);
/** As small as S3 lets a part be that is not the last. */
const part = new Uint8Array(5 * 1024 * 1024);
/** Their CRC-32C, literally. */
const TEN_CRC = "1OZe+g==";
const PART_CRC = "zqsFQg==";
const WRONG_CRC = "AAAAAA==";
/** Their SHA-256. */
const TEN_SHA256 = "HWW/KUA+T7F2dSKhB8gnuIhNFmQM8OOxjEwd0Qfg1J0=";
const PART_SHA256 = "wDbLt1U6kJ+LiHfURhkkMH8n7LZs/5KO7q/VacOIfik=";

/**
 * Asks a server what Varve relies on, without our adapter between, to compare our own server with others.
 *
 * @param port - of 127.0.0.1
 */
export async function askS3(port: number, Bucket: string): Promise<Answers> {
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const asker = { client, Bucket };
  const answers: Record<string, string> = {};
  try {
    const asked = { ...aboutObjects(asker), ...aboutSha256(asker), ...aboutUploads(asker) };
    for (const [question, ask] of Object.entries(asked)) {
      answers[question] = await ask().catch(refusalOf);
    }
    return answers;
  } finally {
    client.destroy();
  }
}

function aboutObjects({ client, Bucket }: Asker): Asked {
  const put = async (Key: string, options: object = {}): Promise<string> => {
    const { ETag, ChecksumCRC32C } = await client.send(new PutObjectCommand({ Bucket, Key, Body: ten, ...options }));
    return `${ETag} ${ChecksumCRC32C}`;
  };
  const get = async (Key: string, options: object = {}): Promise<string> => {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key, ...options }));
    const size = (await answer.Body?.transformToByteArray())?.length;
    return `${answer.$metadata.httpStatusCode} ${size} ${answer.ContentRange} ${answer.ChecksumCRC32C}`;
  };
  const list = async (options: object): Promise<string> => {
    const answer = await client.send(new ListObjectsV2Command({ Bucket, ...options }));
    const keys = answer.Contents?.map(({ Key, Size }) => `${Key}:${Size}`) ?? [];
    return `${keys.join(" ")} ${answer.IsTruncated} ${answer.EncodingType || "plain"} ${typeof answer.NextContinuationToken}`;
  };
  const wrongMd5 = createHash("md5").update("other").digest("base64");
  return {
    put: () => put("a/1", { ChecksumCRC32C: TEN_CRC, Metadata: { "Some-Name": "Some Value" } }),
    "put with a wrong CRC-32C": () => put("a/2", { ChecksumCRC32C: WRONG_CRC }),
    "put with a wrong MD5": () => put("a/2", { ContentMD5: wrongMd5 }),
    "put with a wrong SHA-256": () => put("a/2", { ChecksumSHA256: createHash("sha256").digest("base64") }),
    "put where an object is": () => put("a/1", { IfNoneMatch: "*" }),
    "put where none is": () => put("a/2", { IfNoneMatch: "*" }),
    "put of a checksum in a trailer": () => put("a/3", { ChecksumAlgorithm: "CRC32C" }),
    get: () => get("a/1"),
    "get with checksum": () => get("a/1", { ChecksumMode: "ENABLED" }),
    "get of a range": () => get("a/1", { Range: "bytes=2-4" }),
    "get of a range with checksum": () => get("a/1", { Range: "bytes=2-4", ChecksumMode: "ENABLED" }),
    "get of a range over the end": () => get("a/1", { Range: "bytes=8-900" }),
    "get of a range beyond the end": () => get("a/1", { Range: "bytes=10-11" }),
    "get of what is absent": () => get("none"),
    "get in a bucket that is absent": () => get("none", { Bucket: "no-such-bucket-here" }),
    head: async () => {
      const { ContentLength, Metadata, ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: "a/1" }));
      return `${ContentLength} ${JSON.stringify(Metadata)} ${ETag}`;
    },
    "head of what is absent": async () => {
      await client.send(new HeadObjectCommand({ Bucket, Key: "none" }));
      return "there";
    },
    list: () => list({ Prefix: "a/" }),
    "list of one": () => list({ Prefix: "a/", MaxKeys: 1 }),
    "list of nothing": () => list({ Prefix: "b/" }),
    "list in a bucket that is absent": () => list({ Bucket: "no-such-bucket-here" }),
    "names in a listing": async () => {
      for (const name of ["a b+c", "%20", "ü&<", "😀", "\uffee"]) await put(`n/${name}`);
      return list({ Prefix: "n/", EncodingType: "url" });
    },
    "delete of what is absent": async () => {
      const { $metadata } = await client.send(new DeleteObjectCommand({ Bucket, Key: "none" }));
      return String($metadata.httpStatusCode);
    },
  };
}

/** What Varve sends without TLS, and wherever it knows it. */
function aboutSha256({ client, Bucket }: Asker): Asked {
  const place = { Bucket, Key: "s/file" };
  let upload = { ...place, UploadId: "" };
  const put = async (options: object): Promise<string> => {
    const answer = await client.send(new PutObjectCommand({ Bucket, Key: "s/1", Body: ten, ...options }));
    return `${answer.ChecksumSHA256} ${answer.ChecksumCRC32C}`;
  };
  const putPart = async (PartNumber: number, options: object): Promise<string> =>
    String(
      (await client.send(new UploadPartCommand({ ...upload, PartNumber, Body: part, ...options }))).ChecksumSHA256,
    );
  const complete = async (options: object): Promise<string> => {
    const ETag = `"${createHash("md5").update(part).digest("hex")}"`;
    const Parts = [{ PartNumber: 1, ETag, ...options }];
    return String(
      (await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))).ETag,
    );
  };
  return {
    "put with SHA-256": () => put({ ChecksumSHA256: TEN_SHA256 }),
    "put with two checksums": () => put({ ChecksumSHA256: TEN_SHA256, ChecksumCRC32C: TEN_CRC }),
    "get with SHA-256": async () => {
      const { ChecksumSHA256 } = await client.send(
        new GetObjectCommand({ Bucket, Key: "s/1", ChecksumMode: "ENABLED" }),
      );
      return String(ChecksumSHA256);
    },
    "part with SHA-256": async () => {
      const begun = await client.send(new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: "SHA256" }));
      upload = { ...place, UploadId: begun.UploadId ?? "" };
      return putPart(1, { ChecksumSHA256: PART_SHA256 });
    },
    "part with a wrong SHA-256": () => putPart(2, { ChecksumSHA256: TEN_SHA256 }),
    "part with CRC-32C, not SHA-256": () => putPart(2, { ChecksumCRC32C: PART_CRC }),
    "parts of SHA-256": async () => {
      const { Parts = [], ChecksumAlgorithm } = await client.send(new ListPartsCommand(upload));
      const told = Parts.map(({ PartNumber, ChecksumSHA256 }) => `${PartNumber}:${ChecksumSHA256}`);
      return `${told.join(" ")} ${ChecksumAlgorithm}`;
    },
    "complete without SHA-256": () => complete({}),
    "complete with SHA-256": () => complete({ ChecksumSHA256: PART_SHA256 }),
    "SHA-256 of what was completed": async () => {
      const answer = await client.send(new GetObjectCommand({ ...place, ChecksumMode: "ENABLED" }));
      return `${(await answer.Body?.transformToByteArray())?.length} ${answer.ChecksumSHA256}`;
    },
  };
}

function aboutUploads({ client, Bucket }: Asker): Asked {
  const place = { Bucket, Key: "u/file" };
  let upload = { ...place, UploadId: "" };
  const begin = async (options: object = { ChecksumAlgorithm: "CRC32C" }): Promise<void> => {
    const { UploadId = "" } = await client.send(new CreateMultipartUploadCommand({ ...place, ...options }));
    upload = { ...place, UploadId };
  };
  const putPart = async (PartNumber: number, options: object = {}): Promise<string> => {
    const sent = { ...upload, PartNumber, Body: part, ChecksumCRC32C: PART_CRC, ...options };
    const { ETag, ChecksumCRC32C } = await client.send(new UploadPartCommand(sent));
    return `${ETag} ${ChecksumCRC32C}`;
  };
  const complete = async (Parts: object[], options: object = {}): Promise<string> => {
    const command = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...options });
    return String((await client.send(command)).ETag);
  };
  const partOf = (PartNumber: number, options: object = {}): object => ({
    PartNumber,
    ETag: `"${createHash("md5").update(part).digest("hex")}"`,
    ChecksumCRC32C: PART_CRC,
    ...options,
  });
  const shortPart = { Body: ten, ChecksumCRC32C: TEN_CRC };
  const shortEtag = `"${createHash("md5").update(ten).digest("hex")}"`;
  return {
    part: async () => {
      await begin();
      return putPart(1);
    },
    "part with a wrong CRC-32C": () => putPart(2, { ChecksumCRC32C: WRONG_CRC }),
    "part of number 10,001": () => putPart(10_001, shortPart),
    parts: async () => {
      await putPart(3, shortPart);
      const { Parts = [], IsTruncated } = await client.send(new ListPartsCommand(upload));
      const told = Parts.map(({ PartNumber, Size, ChecksumCRC32C }) => `${PartNumber}:${Size}:${ChecksumCRC32C}`);
      return `${told.join(" ")} ${IsTruncated}`;
    },
    "parts, one a page": async () => {
      const page = await client.send(new ListPartsCommand({ ...upload, MaxParts: 1 }));
      return `${page.Parts?.length} ${page.IsTruncated} ${page.NextPartNumberMarker}`;
    },
    uploads: async () => {
      const { Uploads = [], IsTruncated } = await client.send(
        new ListMultipartUploadsCommand({ Bucket, Prefix: "u/" }),
      );
      const isOurs = Uploads.map(({ Key, UploadId }) => `${Key} ${UploadId === upload.UploadId}`);
      return `${isOurs.join(" ")} ${IsTruncated}`;
    },
    "complete of a part that is absent": () => complete([partOf(1), partOf(2)]),
    "complete with a wrong ETag": () => complete([partOf(1, { ETag: shortEtag })]),
    "complete with a wrong checksum": () => complete([partOf(1, { ChecksumCRC32C: WRONG_CRC })]),
    "complete without checksums": () => complete([partOf(1, { ChecksumCRC32C: undefined })]),
    "complete with a part twice": () => complete([partOf(1), partOf(1)]),
    "complete of no parts": () => complete([]),
    "complete with a gap": () => complete([partOf(1), partOf(3, { ETag: shortEtag, ChecksumCRC32C: TEN_CRC })]),
    "its checksum": async () => {
      const answer = await client.send(new GetObjectCommand({ ...place, ChecksumMode: "ENABLED" }));
      return `${(await answer.Body?.transformToByteArray())?.length} ${answer.ChecksumCRC32C}`;
    },
    "complete where an object is": async () => {
      await begin();
      await putPart(1);
      return complete([partOf(1)], { IfNoneMatch: "*" });
    },
    "complete of a short part that is not the last": async () => {
      await begin();
      await putPart(1, shortPart);
      await putPart(2);
      return complete([partOf(1, { ETag: shortEtag, ChecksumCRC32C: TEN_CRC }), partOf(2)]);
    },
    abort: async () => {
      const { $metadata } = await client.send(new AbortMultipartUploadCommand(upload));
      return String($metadata.httpStatusCode);
    },
    "abort again": async () => {
      await client.send(new AbortMultipartUploadCommand(upload));
      return "done";
    },
    // A short one: who refuses a long one before all of it was sent may cut the connection, and the answer is lost.
    "part of what was aborted": () => putPart(1, shortPart),
    "parts of what was aborted": async () => String((await client.send(new ListPartsCommand(upload))).Parts?.length),
    "complete of what was aborted": () => complete([partOf(1)]),
    "part without checksum": async () => {
      await begin();
      return putPart(1, { ChecksumCRC32C: undefined });
    },
    "whole in one empty part": async () => {
      await begin({});
      const empty = await putPart(1, { Body: new Uint8Array(0), ChecksumCRC32C: undefined });
      return complete([{ PartNumber: 1, ETag: empty.split(" ")[0] }]);
    },
    "part with a checksum that was not announced": async () => {
      await begin({});
      return putPart(1, shortPart);
    },
  };
}

function refusalOf(error: {
  readonly name?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}): string {
  return `${error.$metadata?.httpStatusCode} ${error.name}`;
}
