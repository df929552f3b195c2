import { EndGate } from "../../base/end-gate.ts";
import type { EncodedSection } from "../../codec/contract.ts";
import { FORMAT_VERSION, type Manifest, type ManifestBuffer, type TensorRef } from "../../manifest/manifest.ts";
import { SELF_PACK_NAME } from "../../manifest/names.ts";
import { checkManifest } from "../../manifest/serialize.ts";
import type { FileSystem } from "../../store/file-system.ts";
import { nodeFileSystem } from "../../store/node-file-system.ts";
import type { BufferInSave, SaverCall, SelectedBuffer, ToSaver } from "../messages.ts";
import { AttachedBuffer } from "./attached-buffer.ts";
import type { TensorToEncode } from "./encode.ts";
import { Encoder } from "./encoder.ts";
import { fillRows } from "./fill.ts";
import { describeBuffer } from "./manifest-builder.ts";
import { type OpenPackFile, openPackFile, writePackFile } from "./pack-file.ts";
import type { PriorityCapture } from "./priority-captures.ts";
import { gatherLeaves, readTensor } from "./restore-source.ts";
import { rowItems } from "./save-run.ts";
import { type CallContext, type SessionOptions, unknownCall } from "./session-options.ts";
import { assertWholeBuffer } from "./whole-buffer.ts";

/** A snapshot whose rows are held, and whose priorities are copied, until its file is written. */
export interface HeldBuffer extends Pick<BufferInSave, "name" | "snapshot"> {
  readonly attached: AttachedBuffer;
  readonly priorities: PriorityCapture | null;
}

/** A saver without a run: writes and reads single, self-contained files. */
export class FileSaver {
  readonly #options: SessionOptions;
  readonly #files: FileSystem;
  readonly #encoder: Encoder;
  readonly #attached = new Map<number, AttachedBuffer>();
  readonly #held = new Set<HeldBuffer>();
  #open: { readonly pack: OpenPackFile; readonly manifest: Manifest } | null = null;

  /** @param files - for tests: where files are saved to */
  constructor(options: SessionOptions, files: FileSystem = nodeFileSystem) {
    this.#options = options;
    this.#files = files;
    this.#encoder = new Encoder(() => options.status.add("heartbeat"), new EndGate(options.start.gate));
  }

  handle(message: Exclude<ToSaver, { type: "call" | "cancel" | "cloud" }>): void {
    if (message.type === "attach") {
      this.#attached.set(message.id, new AttachedBuffer(message));
    } else if (message.type === "block") {
      const attached = this.#attached.get(message.id);
      attached?.handle(message.event);
      // The file holds what was there when it was asked for; blocks that fill up meanwhile are not for it.
      if (message.event.kind === "full") attached?.rows.release(message.event.number);
    } else if (message.type === "detach") {
      // A save under way keeps what it holds.
      this.#attached.delete(message.id);
    }
  }

  async call(call: SaverCall, context: CallContext): Promise<unknown> {
    switch (call.method) {
      case "saveFile":
        return this.save(call.path, this.hold(call.buffer));
      case "openFile":
        return this.#load(call.path);
      case "fill":
        return this.#fill(call, context);
      case "close":
        return this.close();
      default:
        return unknownCall(call);
    }
  }

  /** Notes what a snapshot holds, and copies its priorities at once: they may change as soon as that is done. */
  hold({ name, id, snapshot }: BufferInSave): HeldBuffer {
    const attached = this.#attached.get(id);
    if (attached === undefined) throw new Error(`Buffer ${id} is not attached`);
    const held = { attached, name, snapshot, priorities: attached.take(snapshot.number) };
    this.#held.add(held);
    return held;
  }

  /** The rows of a snapshot are not needed any more. */
  letGo(held: HeldBuffer): void {
    if (!this.#held.delete(held)) return;
    const { attached, snapshot } = held;
    attached.rows.release(snapshot.number);
    // Snapshots of the same buffer may be written in another order than they were taken.
    const needed = [held, ...this.#held].filter((other) => other.attached === attached);
    attached.forgetBelow(
      snapshot.bounds.map((_, log) => Math.min(...needed.map((other) => other.snapshot.bounds[log]?.tail ?? 0))),
    );
  }

  /** Writes the file and lets go of the snapshot, however it ends. */
  async save(path: string, held: HeldBuffer): Promise<{ readonly bytes: number }> {
    const { attached, name, snapshot, priorities } = held;
    try {
      return await writePackFile(this.#files, path, async (add) => {
        await this.#addRows(attached, name, snapshot, add);
        this.letGo(held);
        const tensors = await this.#addPages(priorities?.tensors() ?? [], add);
        return this.#manifest(attached, name, snapshot, tensors);
      });
    } finally {
      this.letGo(held);
      priorities?.release();
    }
  }

  async close(): Promise<void> {
    await this.#open?.pack.close();
    await this.#encoder.close();
  }

  async #addRows(
    attached: AttachedBuffer,
    name: string,
    { bounds }: BufferInSave["snapshot"],
    add: (section: EncodedSection) => Promise<number>,
  ): Promise<void> {
    const items = attached.logs.flatMap(({ layout }, index) => {
      const { tail = 0, head = 0 } = bounds[index] ?? {};
      return rowItems(attached, index, `${name}/${layout.name}`, tail, head);
    });
    await this.#encoder.encodeAll(items, async (_, sections) => {
      for (const section of sections) await add(section);
    });
  }

  async #addPages(
    pages: readonly TensorToEncode[],
    add: (section: EncodedSection) => Promise<number>,
  ): Promise<TensorRef[]> {
    const tensors: TensorRef[] = [];
    await this.#encoder.encodeAll(pages, async (item, [section]) => {
      if (item.kind !== "tensor" || section === undefined) return;
      const { sha256, dtype, length } = item;
      const storedBytes = section.bytes.byteLength;
      tensors.push({ sha256, dtype, length, pack: 0, section: await add(section), storedBytes });
    });
    return tensors;
  }

  #manifest(
    attached: AttachedBuffer,
    name: string,
    snapshot: BufferInSave["snapshot"],
    tensors: TensorRef[],
  ): Manifest {
    const { clock, newId } = this.#options;
    const logs = attached.logs.map(({ layout }, index) => {
      const columns = layout.columns.map(({ name: column, dtype, shape }) => ({ name: column, dtype, shape }));
      const { tail, head } = snapshot.bounds[index] ?? { tail: 0, head: 0 };
      return { name: layout.name, tail, head, columns };
    });
    const covers = logs.map((log) => ({ log: `${name}/${log.name}`, from: log.tail, to: log.head }));
    const pages = tensors.map((_, index) => index);
    const id = newId();
    return {
      magic: "varve-manifest",
      version: FORMAT_VERSION,
      ...{ requires: [], run: id, epoch: 1, sequence: 1, parent: null, writeId: id, step: 0, metrics: {} },
      createdAt: new Date(clock.now()).toISOString(),
      packs: [{ name: SELF_PACK_NAME, bytes: 0, covers: covers.filter(({ from, to }) => from < to) }],
      buffers: { [name]: describeBuffer(attached.description, logs, snapshot.meta, pages) },
      tensors,
      state: null,
      logicalBytes: 0,
    };
  }

  async #load(path: string): Promise<SelectedBuffer> {
    const pack = await openPackFile(nodeFileSystem, path);
    let saved: ManifestBuffer;
    try {
      const manifest = checkManifest(pack.index.manifest, pack.name);
      saved = assertWholeBuffer(pack, manifest);
      this.#open = { pack, manifest };
    } catch (error) {
      await pack.close();
      throw error;
    }
    const { fields, capacity, logs, prioritized, meta } = saved;
    return {
      ...{ fields, capacity, meta },
      bounds: logs.map(({ name, tail, head }) => ({ name, tail, head })),
      prioritized: prioritized === null ? null : { alpha: prioritized.alpha, beta: prioritized.beta },
    };
  }

  async #fill(call: Extract<SaverCall, { method: "fill" }>, { signal, onProgress }: CallContext): Promise<unknown> {
    if (this.#open === null) throw new Error("No file is open");
    const { pack, manifest } = this.#open;
    const { buffer, layouts, targets, checkOnly } = call;
    const load = async (): Promise<OpenPackFile> => pack;
    await fillRows(load, { manifest, buffer, layouts, targets, checkOnly }, { onProgress, signal });
    const saved = manifest.buffers[buffer];
    const bounds = targets[0];
    if (saved === undefined || saved.prioritized === null || bounds === undefined) return null;
    const pages = new Map<number, ArrayBuffer>();
    for (const index of saved.priorityPages) {
      const tensor = manifest.tensors[index];
      if (tensor !== undefined) pages.set(index, await readTensor(pack, tensor));
    }
    return gatherLeaves(pack.name, { ...saved, ...saved.prioritized }, pages, bounds.tail, bounds.head);
  }
}
