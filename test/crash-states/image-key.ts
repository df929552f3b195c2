import { createHash } from "node:crypto";
import { sha256Hex } from "../../src/base/hash.ts";
import type { DiskImage } from "../../src/testing/disk-image.ts";
import type { Objects } from "./store-recorder.ts";

const hashes = new WeakMap<Uint8Array, string>();

/** Contents are shared among images: each is hashed once. */
export function contentHash(bytes: Uint8Array): string {
  let hash = hashes.get(bytes);
  if (hash === undefined) {
    hash = sha256Hex(bytes);
    hashes.set(bytes, hash);
  }
  return hash;
}

/** The files of an image by absolute path. */
export function filesOf(image: DiskImage): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const walk = (folder: number, path: string): void => {
    for (const [name, node] of image.folders.get(folder) ?? []) {
      const content = image.files.get(node);
      if (content === undefined) walk(node, `${path}/${name}`);
      else files.set(`${path}/${name}`, content);
    }
  };
  walk(0, "");
  return files;
}

/**
 * Equal for images in which everything but unfinished files is equal. Of those only their number in each folder counts:
 * no code opens one, whatever is in it, and all that is done with one is to remove it.
 */
export function imageKey(image: DiskImage | null, objects: Objects): string {
  const hash = createHash("sha256");
  const folders: string[] = [];
  const walk = (folder: number, path: string): void => {
    let unfinished = 0;
    for (const [name, node] of image?.folders.get(folder) ?? []) {
      const content = image?.files.get(node);
      if (content === undefined) walk(node, `${path}/${name}`);
      else if (name.startsWith(".tmp-")) unfinished++;
      else folders.push(`${path}/${name} ${contentHash(content)}`);
    }
    folders.push(`${path}/ ${unfinished}`);
  };
  if (image !== null) walk(0, "");
  hash.update(folders.sort().join("\n"));
  for (const [name, bytes] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\nstore ${name} ${contentHash(bytes)}`);
  }
  return hash.digest("base64");
}
