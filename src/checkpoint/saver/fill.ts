import { forEachConcurrently } from "../../base/concurrency.ts";
import type { RestoreTarget } from "../../buffer/contract.ts";
import { decodeSectionAsync } from "../../codec/section.ts";
import type { Manifest, PackRef } from "../../manifest/manifest.ts";
import type { LogLayout } from "../../schema/log-layout.ts";
import { throwIfAborted } from "../../store/request.ts";
import type { RestoreProgress } from "../options.ts";
import type { Decoders } from "./decoders.ts";
import { fillFromPack, type Place, type Places } from "./fill-pack.ts";
import { isInMemory, type LoadedPack } from "./pack-reader.ts";

/** Packs that are read and decoded together. */
const PACKS_AT_ONCE = 4;

export interface FillRequest {
  readonly manifest: Manifest;
  readonly buffer: string;
  readonly layouts: readonly LogLayout[];
  readonly targets: readonly RestoreTarget[];
  /** Reads and decodes everything, and writes nothing. */
  readonly checkOnly: boolean;
}

/** From this many bytes of rows on, threads of their own decode: starting them takes as long as some 50 MiB. */
const BULK_BYTES = 64 * 1024 * 1024;

export interface FillContext {
  readonly onProgress: (progress: RestoreProgress) => void;
  readonly signal?: AbortSignal | undefined;
  /** Threads for much; without them, or for little, this thread decodes. */
  readonly startDecoders?: ((places: Places) => Decoders) | undefined;
}

/**
 * Decodes the rows of a checkpoint into blocks, several packs at a time. Every checksum is checked.
 *
 * @param load - reads and checks a pack; a self-contained file is its own only pack
 */
export async function fillRows(
  load: (ref: PackRef) => Promise<LoadedPack>,
  request: FillRequest,
  { onProgress, signal, startDecoders }: FillContext,
): Promise<void> {
  const { manifest, buffer, layouts, targets } = request;
  const places = new Map<string, Place>();
  for (const { log, tail, head, segments } of targets) {
    const layout = layouts[log];
    if (layout === undefined) continue;
    const memory = new Map(segments.map((target) => [target.segment, target.memory]));
    places.set(`${buffer}/${layout.name}`, { layout, tail, head, memory });
  }
  const isNeeded = ({ covers }: PackRef): boolean =>
    covers.some(({ log, from, to }) => {
      const place = places.get(log);
      return place !== undefined && from < place.head && to > place.tail;
    });
  const packs = manifest.packs.filter(isNeeded);
  const bytesTotal = packs.reduce((sum, pack) => sum + pack.bytes, 0);
  let bytesDone = 0;
  const rowBytes = [...places.values()].reduce(
    (sum, { layout, tail, head }) => sum + (head - tail) * layout.rowBytes,
    0,
  );
  const decoders = rowBytes >= BULK_BYTES ? startDecoders?.(places) : undefined;
  try {
    await forEachConcurrently(packs, PACKS_AT_ONCE, async (ref) => {
      throwIfAborted(signal, "restore", ref.name);
      const pack = await load(ref);
      if (decoders !== undefined && isInMemory(pack)) await decoders.fill(pack, ref.covers);
      else await fillFromPack(pack, ref.covers, places, decodeSectionAsync);
      bytesDone += ref.bytes;
      onProgress({ bytesDone, bytesTotal });
    });
  } finally {
    await decoders?.close();
  }
}
