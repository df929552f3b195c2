import { fileURLToPath } from "node:url";
import { StoreError } from "../errors.ts";
import { type DoctorFinding, failed, ok, skipped } from "./doctor-check.ts";
import { folderExists, removeEmptyFolders } from "./doctor-folders.ts";
import type { DoctorBucket, DoctorSubject } from "./doctor-subject.ts";
import { parseObjectUrl } from "./object-url.ts";
import { connectTo } from "./open-objects.ts";
import { type OpenStoreOptions, openStore } from "./open-store.ts";
import type { Store } from "./store.ts";

/** Where the doctor works. */
export interface ExaminedPlace {
  readonly store: Store;
  readonly bucket: DoctorBucket | null;
  /** Of a folder on local disk, and whether it was there before. */
  readonly folder: { readonly path: string; readonly existed: boolean } | null;
  /** Closes what was opened here. */
  close(): Promise<void>;
}

/** Opens what a URL names; a Store that is handed in is left open. */
export async function openPlace(given: string | Store, options: OpenStoreOptions): Promise<ExaminedPlace> {
  const store = typeof given === "string" ? await openStore(given, options) : given;
  const bucket = await bucketOf(store);
  const path = store.location?.url.startsWith("file:") ? fileURLToPath(store.location.url) : null;
  return {
    store,
    bucket,
    folder: path === null ? null : { path, existed: await folderExists(path) },
    close: async () => {
      await bucket?.client.close();
      if (typeof given === "string") await store.close?.();
    },
  };
}

async function bucketOf({ location }: Store): Promise<DoctorBucket | null> {
  if (location === undefined || !/^(gs|s3|az):/.test(location.url)) return null;
  const place = parseObjectUrl(location.url, location.options);
  return { client: await connectTo(place), prefix: place.prefix };
}

/** Deletes all that the examination wrote; also the folders that it made. */
export async function cleanUp({ folder }: ExaminedPlace, subject: DoctorSubject): Promise<DoctorFinding> {
  const { left, error } = await subject.cleanUp();
  if (left.length > 0 && !subject.hasAnswered)
    return skipped("Nothing ever answered, so that nothing is to be removed.");
  if (left.length > 0) {
    const why = error instanceof StoreError ? error.message : "";
    return failed(`Objects may be left below ${subject.prefix}: ${why}`, `Delete ${subject.prefix} by hand.`);
  }
  if (folder !== null) await removeEmptyFolders(folder.path, subject.writtenNames(), folder.existed);
  return ok("Everything that was written is removed again.");
}
