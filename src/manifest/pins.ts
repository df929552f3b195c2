import { CheckpointNotFoundError, InvalidArgumentError } from "../errors.ts";
import type { RequestOptions, Store } from "../store/store.ts";
import { FORMAT_VERSION } from "./manifest.ts";
import { PINS_PREFIX, parseCheckpointName, parsePinName, pinName } from "./names.ts";
import { writeSmallFile } from "./small-file.ts";

/**
 * A pin is an object of its own, `pins/<epoch>-<sequence>.json`: its presence keeps the checkpoint of the same number
 * from being pruned, and manifests stay immutable. What it contains is for people; whether it exists is what counts.
 */
interface PinFile {
  readonly magic: "varve-pin";
  readonly version: number;
  readonly checkpoint: string;
}

/** The names of all pinned checkpoints; they need not exist any more. */
export async function listPins(store: Store, options: RequestOptions = {}): Promise<Set<string>> {
  const pinned = new Set<string>();
  for await (const { name } of store.list(PINS_PREFIX, options)) {
    const checkpoint = parsePinName(name);
    if (checkpoint !== undefined) pinned.add(checkpoint);
  }
  return pinned;
}

/**
 * Pins a checkpoint. The pin is written first and the checkpoint looked for afterwards, so that a prune which lists
 * pins right before it deletes either sees the pin, or has deleted the checkpoint, and this rejects.
 *
 * @throws CheckpointNotFoundError when the checkpoint does not exist (any more)
 */
export async function pinCheckpoint(store: Store, checkpoint: string, options: RequestOptions = {}): Promise<void> {
  assertCheckpoint(checkpoint);
  const file: PinFile = { magic: "varve-pin", version: FORMAT_VERSION, checkpoint };
  await store.put(pinName(checkpoint), writeSmallFile(file), options);
  if ((await store.head(checkpoint, options)) !== null) return;
  await store.delete(pinName(checkpoint), options);
  throw new CheckpointNotFoundError(`the name ${checkpoint}`, []);
}

/** Removes a pin; nothing happens if there is none. */
export async function unpinCheckpoint(store: Store, checkpoint: string, options: RequestOptions = {}): Promise<void> {
  assertCheckpoint(checkpoint);
  await store.delete(pinName(checkpoint), options);
}

function assertCheckpoint(name: string): void {
  if (parseCheckpointName(name) === undefined)
    throw new InvalidArgumentError("checkpoint", "a checkpoint's name", name);
}
