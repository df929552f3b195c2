import { forEachConcurrently } from "../../base/concurrency.ts";
import type { EndGate } from "../../base/end-gate.ts";
import type { SectionEntry } from "../../codec/contract.ts";
import { decodeSectionAsync } from "../../codec/section.ts";
import { CheckpointNotFoundError, CorruptError, isVarveError, NoIntactCheckpointError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import { byPreference } from "../../manifest/lineage.ts";
import type { Manifest, ManifestBuffer, PackRef, TensorRef } from "../../manifest/manifest.ts";
import type { StoredManifest } from "../../manifest/read-history.ts";
import { metricsOf } from "../../manifest/stored-number.ts";
import type { DType } from "../../schema/dtype.ts";
import type { RestoredState, SaverCall, SelectedCheckpoint } from "../messages.ts";
import { tensorsInState } from "../state-tree.ts";
import { Decoders } from "./decoders.ts";
import { fillRows } from "./fill.ts";
import type { Places } from "./fill-pack.ts";
import type { LoadedPack } from "./pack-reader.ts";
import { PackRecord } from "./pack-record.ts";
import type { CallContext } from "./session-options.ts";
import type { Tiers } from "./tiers.ts";

/** A manifest that was chosen, and the packs that it names. */
export interface LoadedManifest extends StoredManifest {
  readonly recordOf: (pack: number) => PackRecord;
}

/** Packs of tensors that are read together. */
const PACKS_AT_ONCE = 4;

/** Restores that may go on together. */
const MAX_LOADED = 4;

type FillCall = Extract<SaverCall, { method: "fill" }>;
type SelectCall = Extract<SaverCall, { method: "select" }>;

/** Reads checkpoints: manifest first, then packs. Nothing read is used before it was checked (rule 11). */
export class RestoreSource {
  readonly #tiers: Tiers;
  readonly #run: () => string | undefined;
  readonly #gate: EndGate;
  readonly #onChosen: (name: string) => void;
  /** The last few manifests that were chosen, by name. */
  readonly #loaded = new Map<string, LoadedManifest>();
  #isDecoding = false;

  /**
   * @param run - to which checkpoints must belong; undefined where nothing says it
   * @param gate - where threads that decode are held back before they are ended
   * @param onChosen - told before it is read: from then on nobody may delete it
   */
  constructor(
    tiers: Tiers,
    run: () => string | undefined,
    gate: EndGate,
    onChosen: (name: string) => void = () => undefined,
  ) {
    this.#tiers = tiers;
    this.#run = run;
    this.#gate = gate;
    this.#onChosen = onChosen;
  }

  /** A manifest that `select` chose lately. */
  loaded(name: string): LoadedManifest {
    const loaded = this.#loaded.get(name);
    if (loaded === undefined) throw new Error(`Checkpoint ${name} was not selected`);
    return loaded;
  }

  /** A manifest that `select` chose, also where others were chosen since. @throws CorruptError when it is gone */
  async manifest(name: string, signal: AbortSignal): Promise<LoadedManifest> {
    const loaded = this.#loaded.get(name);
    if (loaded !== undefined) return loaded;
    const stored = await this.#tiers.manifest(name, { run: this.#run(), signal });
    if (stored === null) throw deleted(name);
    const again = withRecords(stored);
    this.#remember(again);
    return again;
  }

  /**
   * Chooses the newest checkpoint that can be read, or the one asked for; null if there is none (left).
   *
   * @throws CheckpointNotFoundError when what was asked for does not exist; CorruptError when it cannot be read
   */
  async select({ step, sequence, after }: SelectCall, signal: AbortSignal): Promise<SelectedCheckpoint | null> {
    if (step === null && sequence === null) return this.#newest(after, signal);
    const { whole, broken } = await this.#tiers.history({ run: this.#run(), signal });
    const found = byPreference(whole).find(
      (header) => (step === null || header.step === step) && (sequence === null || header.sequence === sequence),
    );
    if (found !== undefined) {
      const selected = await this.#take(found.name, [], signal);
      if (selected === null) throw deleted(found.name);
      return selected;
    }
    const damaged = broken.find((checkpoint) => sequence === null || checkpoint.sequence === sequence);
    if (damaged !== undefined) throw damaged.error;
    throw new CheckpointNotFoundError(
      describeAsked(whole, step, sequence),
      whole.map((header) => `step ${header.step} (sequence ${header.sequence})`),
    );
  }

  /** One checkpoint by name; null if it cannot be had. */
  async load(name: string): Promise<LoadedManifest | null> {
    try {
      const stored = await this.#tiers.manifest(name, { run: this.#run() });
      return stored === null ? null : withRecords(stored);
    } catch (error) {
      if (isVarveError(error, "VARVE_CORRUPT")) return null;
      throw error;
    }
  }

  /** The tensors that the state names; the others are left empty. */
  async readState(name: string, signal: AbortSignal): Promise<RestoredState | null> {
    const { manifest } = this.loaded(name);
    if (manifest.state === null) return null;
    const wanted = new Set(tensorsInState(manifest.state));
    const bytes = await this.#readTensors(manifest, wanted, signal);
    const tensors = manifest.tensors.map(({ dtype }, index): { dtype: DType; bytes: ArrayBuffer } => {
      return { dtype, bytes: bytes.get(index) ?? new ArrayBuffer(0) };
    });
    return { json: manifest.state, tensors };
  }

  /** Fills the blocks of one buffer. @returns f64[rows] the leaves of its priorities, or null */
  async fill(call: FillCall, { signal, onProgress }: CallContext): Promise<Float64Array | null> {
    const { manifest } = this.loaded(call.manifest);
    const { buffer, layouts, targets, checkOnly } = call;
    const load = (ref: PackRef): Promise<LoadedPack> => this.#tiers.pack(ref, signal);
    const request = { manifest, buffer, layouts, targets, checkOnly };
    await this.#withDecoders((startDecoders) => fillRows(load, request, { onProgress, signal, startDecoders }));
    const saved = manifest.buffers[buffer];
    const bounds = targets[0];
    if (saved === undefined || saved.prioritized === null || bounds === undefined) return null;
    const pages = await this.#readTensors(manifest, new Set(saved.priorityPages), signal);
    return gatherLeaves(call.manifest, { ...saved, ...saved.prioritized }, pages, bounds.tail, bounds.head);
  }

  /** Their numbers at the gate are those of one restore: another that goes on beside it decodes in this thread. */
  async #withDecoders(work: (start: ((places: Places) => Decoders) | undefined) => Promise<void>): Promise<void> {
    if (this.#isDecoding) return work(undefined);
    this.#isDecoding = true;
    try {
      await work((places) => new Decoders(this.#gate, places));
    } finally {
      this.#isDecoding = false;
    }
  }

  async #newest(after: string | null, signal: AbortSignal): Promise<SelectedCheckpoint | null> {
    for (let gone: string | null = null; ; ) {
      const { whole, broken } = await this.#tiers.history({ run: this.#run(), signal });
      // A checkpoint of a newer version must not be passed over: training would silently go back in time.
      const unknown = broken.find(({ error }) => !isVarveError(error, "VARVE_CORRUPT", "VARVE_RUN_MISMATCH"));
      if (unknown !== undefined) throw unknown.error;
      const ordered: readonly CheckpointHeader[] = byPreference(whole);
      const start = after === null ? 0 : ordered.findIndex(({ name }) => name === after) + 1;
      const chosen = ordered[start];
      if (chosen === undefined) {
        if (after !== null || broken[0] === undefined) return null;
        throw new NoIntactCheckpointError(broken.map(({ error }) => error.message));
      }
      const skipped = after === null ? broken.filter(({ name }) => name > chosen.name) : [];
      const reasons = skipped.map(({ sequence, error }) => ({ sequence, reason: error.message }));
      const selected = await this.#take(chosen.name, reasons, signal);
      if (selected !== null) return selected;
      // Pruned by another process since it was listed: there is a newer one. Unless the listing is not true.
      if (chosen.name === gone) throw deleted(gone);
      gone = chosen.name;
    }
  }

  /** Null where it is gone. */
  async #take(
    name: string,
    skipped: SelectedCheckpoint["skipped"],
    signal: AbortSignal,
  ): Promise<SelectedCheckpoint | null> {
    this.#onChosen(name);
    const stored = await this.#tiers.manifest(name, { run: this.#run(), signal });
    if (stored === null) return null;
    this.#remember(withRecords(stored));
    const { step, sequence, buffers } = stored.manifest;
    const selected = Object.entries(buffers).map(([key, { fields, capacity, logs, prioritized, meta }]) => {
      const bounds = logs.map(({ name: log, tail, head }) => ({ name: log, tail, head }));
      return [key, { fields, capacity, bounds, prioritized, meta }] as const;
    });
    return {
      ...{ manifest: name, step, sequence, skipped },
      metrics: metricsOf(stored.manifest.metrics),
      buffers: Object.fromEntries(selected),
    };
  }

  #remember(loaded: LoadedManifest): void {
    this.#loaded.delete(loaded.name);
    this.#loaded.set(loaded.name, loaded);
    if (this.#loaded.size <= MAX_LOADED) return;
    const [oldest] = this.#loaded.keys();
    this.#loaded.delete(oldest as string);
  }

  async #readTensors(
    manifest: Manifest,
    wanted: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<Map<number, ArrayBuffer>> {
    const byPack = Map.groupBy(
      [...wanted].map((index) => ({ index, tensor: manifest.tensors[index] as TensorRef })),
      ({ tensor }) => tensor.pack,
    );
    const bytes = new Map<number, ArrayBuffer>();
    await forEachConcurrently([...byPack], PACKS_AT_ONCE, async ([packIndex, tensors]) => {
      // A manifest whose tensors lie in packs that it does not name was refused when it was read.
      const pack = await this.#tiers.pack(manifest.packs[packIndex] as PackRef, signal);
      for (const { index, tensor } of tensors) bytes.set(index, await readTensor(pack, tensor));
    });
    return bytes;
  }
}

export async function readTensor(pack: LoadedPack, tensor: TensorRef): Promise<ArrayBuffer> {
  const entry = pack.index.sections[tensor.section];
  if (entry === undefined || !isTensor(entry, tensor)) {
    throw new CorruptError(pack.name, `section ${tensor.section} is not the tensor that the manifest places there`);
  }
  const decoded = await decodeSectionAsync(entry, await pack.stored(entry), { objectName: pack.name });
  return decoded.slice().buffer;
}

function isTensor({ content, dtype, shape }: SectionEntry, tensor: TensorRef): boolean {
  return (
    content.kind === "tensor" &&
    content.sha256 === tensor.sha256 &&
    dtype === tensor.dtype &&
    shape[0] === tensor.length
  );
}

/** Leaves lie by row mod capacity; the buffer takes them in order of rows. */
export function gatherLeaves(
  objectName: string,
  saved: Pick<ManifestBuffer, "capacity" | "priorityPages"> & { readonly leavesPerPage: number },
  pages: ReadonlyMap<number, ArrayBuffer>,
  tail: number,
  head: number,
): Float64Array {
  const { priorityPages, capacity, leavesPerPage } = saved;
  const arrays = priorityPages.map((index) => new Float64Array(pages.get(index) ?? new ArrayBuffer(0)));
  const leaves = new Float64Array(head - tail);
  for (let row = tail; row < head; row++) {
    const leaf = row % capacity;
    const value = arrays[Math.floor(leaf / leavesPerPage)]?.[leaf % leavesPerPage];
    if (value === undefined) throw new CorruptError(objectName, `the priority of row ${row} is missing`);
    leaves[row - tail] = value;
  }
  return leaves;
}

const deleted = (name: string): CorruptError => new CorruptError(name, "it was deleted while it was read");

function withRecords(stored: StoredManifest): LoadedManifest {
  const { packs, tensors } = stored.manifest;
  const namedBytes = new Float64Array(packs.length);
  for (const { pack, storedBytes } of tensors) namedBytes[pack] = (namedBytes[pack] as number) + storedBytes;
  const records = packs.map(({ name, bytes }, index) => PackRecord.known(name, bytes, namedBytes[index] as number));
  const recordOf = (pack: number): PackRecord => {
    const record = records[pack];
    if (record === undefined) throw new CorruptError(stored.name, `it names pack ${pack}, there are ${records.length}`);
    return record;
  };
  return { ...stored, recordOf };
}

/** What was asked for and is not there; of two that do not belong together, how they do not. */
function describeAsked(whole: readonly CheckpointHeader[], step: number | null, sequence: number | null): string {
  if (sequence === null) return `step ${step}`;
  const other = whole.find((header) => header.sequence === sequence);
  if (step === null || other === undefined) return `sequence ${sequence}`;
  return `both step ${step} and sequence ${sequence}: checkpoint ${sequence} is of step ${other.step}`;
}
