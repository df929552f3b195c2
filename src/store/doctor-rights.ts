import type { DoctorRight } from "./doctor-check.ts";

type Scheme = "gs" | "s3" | "az" | "file";

const AZURE_ROLE = "the role Storage Blob Data Contributor on the container";
const FOLDER = "a user who may read, write and list this folder";

const RIGHTS: Readonly<Record<Scheme, Readonly<Record<DoctorRight, string>>>> = {
  gs: {
    create: "storage.objects.create",
    replace: "storage.objects.create and storage.objects.delete, which GCS asks for to replace an object",
    read: "storage.objects.get",
    list: "storage.objects.list",
    delete: "storage.objects.delete",
    pieces: "storage.objects.create",
  },
  s3: {
    create: "s3:PutObject",
    replace: "s3:PutObject",
    // Without the right to list, S3 says 403 where it would say 404.
    read: "s3:GetObject, and s3:ListBucket to be told that an object is absent",
    list: "s3:ListBucket",
    delete: "s3:DeleteObject",
    pieces: "s3:PutObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts and s3:ListBucketMultipartUploads",
  },
  az: {
    create: AZURE_ROLE,
    replace: AZURE_ROLE,
    read: AZURE_ROLE,
    list: AZURE_ROLE,
    delete: AZURE_ROLE,
    pieces: AZURE_ROLE,
  },
  file: { create: FOLDER, replace: FOLDER, read: FOLDER, list: FOLDER, delete: FOLDER, pieces: FOLDER },
};

/** What to ask for where a store refuses; undefined for stores that we know nothing of. */
export function neededRight(storeUrl: string, right: DoctorRight): string | undefined {
  const scheme = /^(gs|s3|az|file):/.exec(storeUrl)?.[1] as Scheme | undefined;
  return scheme === undefined ? undefined : `It needs ${RIGHTS[scheme][right]}.`;
}
