/** A file's content as far as the file system tells it: another content has another identity. */
export interface FileIdentity {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  readonly inode: number;
}

/** What is needed to go on with an upload, in this process or another. */
export interface UploadRecord {
  readonly bucket: string;
  readonly key: string;
  /** The file's name in its folder. */
  readonly fileName: string;
  readonly identity: FileIdentity;
  /** Of the whole file, in hexadecimal, as it was when the upload was begun. */
  readonly sha256: string;
  readonly pieceBytes: number;
  /** The provider's; of GCS a URL that lets anyone write. Null for a file that went in one request. */
  readonly id: string | null;
}
