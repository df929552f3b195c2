import { isVarveError } from "../../errors.ts";
import type { ManifestRef } from "../../manifest/manifest.ts";
import type { LoadedManifest, RestoreSource } from "./restore-source.ts";
import type { RunWriter } from "./run-writer.ts";
import type { Saver } from "./saver.ts";
import type { Tiers } from "./tiers.ts";

export interface RestoredRunOptions {
  readonly source: RestoreSource;
  readonly writer: RunWriter;
  /** What counts as saved. */
  readonly saver: Pick<Saver, "coverage" | "shelf">;
  /** In the order in which they are asked. */
  readonly tiers: Tiers;
  /** Of the saver that this one replaces; null where it replaces none. */
  readonly parent: ManifestRef | null;
  /** A saver that goes on in another's place begins to send what the store lacks. */
  readonly startSending: () => void;
  readonly warn: (message: string) => void;
}

/**
 * The checkpoint that this process goes on from, after a restore or in the place of a saver that crashed: what it names
 * need not be saved again.
 */
export class RestoredRun {
  readonly #options: RestoredRunOptions;
  #toResume: ManifestRef | null;
  /** Restored, and not looked at since the epoch was claimed; by name. */
  readonly #toConfirm = new Map<string, LoadedManifest>();

  constructor(options: RestoredRunOptions) {
    this.#options = options;
    this.#toResume = options.parent;
  }

  /** Before every save, once its epoch is claimed. */
  async prepare(): Promise<void> {
    await this.#resume();
    for (const restored of [...this.#toConfirm.values()]) await this.#confirm(restored);
  }

  /** The buffer of this name was restored from it, and now has this incarnation. */
  adopt(name: string, incarnation: string, manifest: string): void {
    const { source, saver } = this.#options;
    const loaded = source.loaded(manifest);
    const buffer = loaded.manifest.buffers[name];
    if (buffer === undefined) return;
    saver.coverage.adopt(name, incarnation, buffer, loaded.manifest.packs, loaded.recordOf);
  }

  /** The next checkpoint descends from the restored one, and need not store its tensors again. */
  restored(name: string): void {
    const { source, writer, saver } = this.#options;
    const loaded = source.loaded(name);
    this.#toResume = null;
    this.#toConfirm.set(name, loaded);
    writer.descendFrom({ name, hash: loaded.hash });
    saver.shelf.adopt(loaded.manifest.tensors, loaded.recordOf);
  }

  /** After a crash of the saver's thread. */
  async #resume(): Promise<void> {
    const parent = this.#toResume;
    if (parent === null) return;
    const { source, saver, startSending } = this.#options;
    const loaded = await source.load(parent.name);
    // A save that was given up leaves this read behind: when it ends, the next one may have gone on.
    if (this.#toResume !== parent) return;
    startSending();
    this.#toResume = null;
    if (loaded === null) return;
    const { manifest, recordOf } = loaded;
    saver.shelf.adopt(manifest.tensors, recordOf);
    // Of a buffer that was restored since, the incarnation is another one: then this says nothing about it (rule 4).
    for (const [name, buffer] of Object.entries(manifest.buffers)) {
      saver.coverage.adopt(name, buffer.incarnation, buffer, manifest.packs, recordOf);
    }
  }

  /**
   * The epoch is this writer's by now, and others prune no more. What one of them did since the restore is seen by the
   * manifest, which goes before its packs: then what they held is saved again.
   */
  async #confirm({ name, manifest }: LoadedManifest): Promise<void> {
    const { saver, warn } = this.#options;
    const isThere = await this.#isThere(name);
    if (!this.#toConfirm.delete(name) || isThere) return;
    const gone = new Set(manifest.packs.map((pack) => pack.name));
    saver.coverage.dropNamed(gone);
    saver.shelf.dropNamed(gone);
    warn(`${name} is not there any more since it was restored: the next save stores everything again`);
  }

  /** A store that is away must not hold local saves up: what only it could tell counts as gone. */
  async #isThere(name: string): Promise<boolean> {
    const { first, second } = this.#options.tiers;
    if ((await first.head(name)) !== null) return true;
    if (second === null) return false;
    try {
      return (await second.head(name)) !== null;
    } catch (error) {
      if (!isVarveError(error, "VARVE_STORE")) throw error;
      return false;
    }
  }
}
