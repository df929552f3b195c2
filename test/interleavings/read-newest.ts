import type { PackInMemory } from "../../src/checkpoint/saver/pack-reader.ts";
import type { LoadedManifest, RestoreSource } from "../../src/checkpoint/saver/restore-source.ts";
import type { RunWriter } from "../../src/checkpoint/saver/run-writer.ts";
import type { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { isVarveError } from "../../src/errors.ts";
import { type ModelRows, rowsIn } from "./model-buffer.ts";

/** A checkpoint that was read to its last row. */
export interface ReadCheckpoint {
  readonly manifest: LoadedManifest["manifest"] & { readonly name: string };
  readonly rows: ReadonlyMap<string, ModelRows>;
  /** Newer ones that were passed over, and told. */
  readonly skipped: number;
}

/**
 * Reads the newest checkpoint that can be had, in the steps of `restoreCheckpoint`.
 *
 * @param step - of the one that is asked for; null: the newest
 */
export async function readNewest(
  source: RestoreSource,
  tiers: Tiers,
  writer: RunWriter,
  step: number | null,
  signal: AbortSignal,
): Promise<ReadCheckpoint | null> {
  let [after, skipped]: [string | null, number] = [null, 0];
  for (;;) {
    await writer.lookBeforeRestore(signal);
    const selected = await source.select({ method: "select", step, sequence: null, after }, signal);
    if (selected === null) return null;
    try {
      const { name, manifest } = source.loaded(selected.manifest);
      const packs: Uint8Array[] = [];
      for (const ref of manifest.packs) packs.push(((await tiers.pack(ref, signal)) as PackInMemory).bytes);
      const rows = rowsIn(manifest, (place) => packs[place] as Uint8Array);
      return { manifest: { ...manifest, name }, rows, skipped: skipped + selected.skipped.length };
    } catch (error) {
      if (step !== null || !isVarveError(error, "VARVE_CORRUPT")) throw error;
      after = selected.manifest;
      skipped++;
    }
  }
}
