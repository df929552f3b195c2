/**
 * What is on a disk: folders and files by number, so that a file can have two names and outlive its last one.
 * The root folder is number 0. Contents are never changed in place.
 */
export interface DiskImage {
  readonly folders: ReadonlyMap<number, ReadonlyMap<string, number>>;
  readonly files: ReadonlyMap<number, Uint8Array>;
}

/** A change of a folder's entries; durable with the folder's sync. */
export type EntryChange =
  | {
      readonly type: "add";
      readonly folder: number;
      readonly name: string;
      readonly node: number;
      readonly made: NodeKind;
    }
  | { readonly type: "remove"; readonly folder: number; readonly name: string }
  /** Atomic, as journals make it: the old name and the new one are never both there, nor both gone. */
  | {
      readonly type: "rename";
      readonly folder: number;
      readonly from: string;
      readonly name: string;
      readonly node: number;
    };

/** What the entry's node is if it is a new one; null for a further name of an old one. */
export type NodeKind = "file" | "folder" | null;

/** A change of a file's content; durable with the file's sync. */
export interface ContentChange {
  readonly type: "write";
  readonly node: number;
  readonly position: number;
  readonly bytes: Uint8Array;
}

export type Change = EntryChange | ContentChange;

/** Of a write, these sectors of the file arrived, in whatever order the disk wrote them; the others did not. */
export interface SectorFate {
  readonly sectorBytes: number;
  /** Numbers from the file's beginning, ascending. */
  readonly arrived: readonly number[];
}

/** What a loss of power made of one change that was not synced. */
export type Fate = "kept" | "lost" | "torn" | "garbled" | SectorFate;

export const ENTRY_FATES: readonly Fate[] = ["kept", "lost"];
export const CONTENT_FATES: readonly Fate[] = ["kept", "lost", "torn", "garbled"];

/** Cuts at this many sectors at most are told apart for one write, those nearest to its ends first. */
const MOST_CUTS = 8;

/** A write torn between sectors: only its first ones arrived, or every second one. */
export function sectorFates({ position, bytes }: ContentChange, sectorBytes: number): readonly SectorFate[] {
  const first = Math.floor(position / sectorBytes);
  const count = Math.ceil((position + bytes.length) / sectorBytes) - first;
  const sectors = Array.from({ length: Math.max(0, count) }, (_, index) => first + index);
  const cuts = sectors.map((_, index) => index).filter((cut) => cut > 0);
  const nearEnds = cuts.filter((cut) => Math.min(cut, count - cut) <= MOST_CUTS / 2);
  const everySecond = count < 2 ? [] : [0, 1].map((rest) => sectors.filter((_, index) => index % 2 === rest));
  return [...nearEnds.map((cut) => sectors.slice(0, cut)), ...everySecond]
    .filter((arrived, index, all) => all.findIndex((other) => other.join() === arrived.join()) === index)
    .map((arrived) => ({ sectorBytes, arrived }));
}

export function emptyImage(): DiskImage {
  return { folders: new Map([[0, new Map()]]), files: new Map() };
}

/** Applies changes to a copy of an image; what is not touched is shared with it. */
export class ImageEditor {
  readonly #folders: Map<number, ReadonlyMap<string, number>>;
  readonly #files: Map<number, Uint8Array>;
  readonly #ownFolders: Map<number, Map<string, number>> = new Map();

  constructor(image: DiskImage) {
    this.#folders = new Map(image.folders);
    this.#files = new Map(image.files);
  }

  apply(change: Change, fate: Fate): void {
    // A new node is there whatever becomes of its name: other names may lead to it.
    if (change.type === "add" && change.made === "file" && !this.#files.has(change.node)) {
      this.#files.set(change.node, new Uint8Array(0));
    }
    if (change.type === "add" && change.made === "folder" && !this.#folders.has(change.node)) {
      this.#folders.set(change.node, new Map());
    }
    if (fate === "lost") return;
    if (change.type === "write") this.#write(change, fate);
    else this.#change(change);
  }

  image(): DiskImage {
    return { folders: this.#folders, files: this.#files };
  }

  #change(change: EntryChange): void {
    const entries = this.#entriesOf(change.folder);
    if (change.type === "rename") entries.delete(change.from);
    if (change.type === "remove") entries.delete(change.name);
    else entries.set(change.name, change.node);
  }

  #entriesOf(folder: number): Map<string, number> {
    let entries = this.#ownFolders.get(folder);
    if (entries === undefined) {
      entries = new Map(this.#folders.get(folder));
      this.#ownFolders.set(folder, entries);
      this.#folders.set(folder, entries);
    }
    return entries;
  }

  /**
   *     kept      old... NEWNEWNEW
   *     torn      old... NEWN            the first half arrived; the file may be as long as if all had
   *     garbled   old... #########       the length arrived and the blocks did not
   *     sectors   old... N00E00NE        some sectors arrived; zeros where nothing had been
   */
  #write(change: ContentChange, fate: Fate): void {
    const { node, position, bytes } = change;
    if (typeof fate === "object") {
      for (const part of arrivedParts(change, fate)) this.#write({ ...change, ...part }, "kept");
      return;
    }
    const old = this.#files.get(node) ?? new Uint8Array(0);
    const arrived = fate === "torn" ? bytes.subarray(0, bytes.length >> 1) : bytes;
    const content = new Uint8Array(Math.max(old.length, position + arrived.length));
    content.set(old);
    if (fate === "garbled") content.fill(0xdb, position, position + arrived.length);
    else content.set(arrived, position);
    this.#files.set(node, content);
  }
}

function arrivedParts(
  { position, bytes }: ContentChange,
  { sectorBytes, arrived }: SectorFate,
): Pick<ContentChange, "position" | "bytes">[] {
  return arrived.map((sector) => {
    const from = Math.max(position, sector * sectorBytes);
    const to = Math.min(position + bytes.length, (sector + 1) * sectorBytes);
    return { position: from, bytes: bytes.subarray(from - position, to - position) };
  });
}
