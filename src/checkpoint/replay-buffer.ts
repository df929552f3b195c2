import { TransitionStore, type TransitionStoreOptions } from "../buffer/transition-store.ts";
import type { FieldsDeclaration } from "../schema/fields.ts";
import { loadBufferFile, saveBufferFile } from "./single-file.ts";

export type ReplayBufferOptions<Fields extends FieldsDeclaration> = TransitionStoreOptions<Fields>;

/**
 * A replay buffer that checkpoints without being held up.
 *
 * Holds the newest `capacity` transitions, first in, first out. Frames of declared windows are stored once each.
 * Rows are never overwritten in place, so that a save needs no copy and no lock. See docs/design.md.
 */
export class ReplayBuffer<const Fields extends FieldsDeclaration = FieldsDeclaration> extends TransitionStore<Fields> {
  /**
   * Writes the buffer to one self-contained file, encoded off the training thread. The content is that of this
   * instant, whatever is added meanwhile. An existing file is replaced when the new one is whole and durable.
   *
   * Await it before the process ends: unlike a checkpoint under way, it is not waited for on `process.exit`.
   *
   * @throws StoreError when the file cannot be written; what was there before stays
   */
  async save(path: string): Promise<{ readonly bytes: number }> {
    return saveBufferFile(this, path);
  }

  /**
   * Reads a buffer from a file that `save()` wrote, with its fields, capacity and generator.
   *
   * @throws CorruptError, FormatVersionError, StoreError
   */
  // oxlint-disable-next-line no-explicit-any -- the fields are only known when the file has been read
  static async load(path: string): Promise<ReplayBuffer<any>> {
    return loadBufferFile(path, (options) => new ReplayBuffer(options));
  }
}
