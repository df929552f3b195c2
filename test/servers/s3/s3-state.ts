/** What the server keeps of an object. */
export interface StoredObject {
  readonly bytes: Buffer;
  /** With its quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
  /** `x-amz-meta-*`, by the part after it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Verified; `x-amz-checksum-*` by their whole names. */
  readonly checksums: Readonly<Record<string, string>>;
}

export interface StoredPart {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly modifiedAtMs: number;
  readonly checksums: Readonly<Record<string, string>>;
}

/** A multipart upload that was neither completed nor aborted. */
export interface StoredUpload {
  readonly id: string;
  readonly key: string;
  readonly startedAtMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** `crc32c` or `sha256`: every part has to carry it; null where the upload asked for none. */
  readonly checksum: string | null;
  readonly parts: Map<number, StoredPart>;
}

export type RequestKind =
  | "put"
  | "get"
  | "head"
  | "list"
  | "delete"
  | "headBucket"
  | "createUpload"
  | "putPart"
  | "listParts"
  | "completeUpload"
  | "abortUpload"
  | "listUploads"
  | "other";

/** One bucket, and how the server treats it. */
export interface S3State {
  readonly bucket: string;
  readonly objects: Map<string, StoredObject>;
  /** By id. */
  readonly uploads: Map<string, StoredUpload>;
  /** Most entries in a page of any listing. */
  readonly pageSize: number;
  readonly minPartBytes: number;
  /** As some compatible servers do: every write is one without a condition. */
  readonly ignoresConditions: boolean;
}
