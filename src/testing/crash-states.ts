import { createRandom, type Random } from "../base/random.ts";
import { CrashFileSystem } from "./crash-file-system.ts";
import {
  type Change,
  CONTENT_FATES,
  type DiskImage,
  ENTRY_FATES,
  type Fate,
  ImageEditor,
  sectorFates,
} from "./disk-image.ts";

/** What one loss of power could have left. */
export interface CrashState {
  /** After which event the power went, and what became of each change that was not synced then. */
  readonly description: string;
  /** How many events of the recording had happened. */
  readonly eventCount: number;
  /** What had been noted before. */
  readonly notes: readonly string[];
  /** The disk after the reboot: everything on it is durable, and new events are recorded from here. */
  readonly fileSystem: CrashFileSystem;
}

export interface CrashStatesOptions {
  /** Most states per point; where there are more, the extreme ones and random ones are taken. 64 by default. */
  readonly maxStatesPerPoint?: number | undefined;
  /** Decides which random ones; the same seed gives the same states. 1 by default. */
  readonly seed?: number | undefined;
  /** Writes are torn between sectors of this size as well. Not by default. */
  readonly sectorBytes?: number | undefined;
}

/**
 * Goes through the states in which a loss of power could have left the disk, at every point of a recording.
 *
 * A change that a sync covers is there. Of all others any subset may be: each entry of a folder kept or lost, each
 * write kept, lost, torn in the middle, or with its length there and its content not; with `sectorBytes` also
 * with only some of its sectors. That is more than most file systems do, and all of it is allowed to them. No state of
 * one point is given twice.
 *
 * Source: the model of ALICE (Pillai et al., OSDI 2014); sqlite's test6.c plays the same for one file.
 */
export function* crashStates(recording: CrashFileSystem, options: CrashStatesOptions = {}): Generator<CrashState> {
  const { maxStatesPerPoint = 64, seed = 1, sectorBytes = null } = options;
  const random = createRandom(seed);
  const notes: string[] = [];
  let durable = recording.initial;
  let pending: readonly Change[] = [];
  const description = "before the first event";
  yield { description, eventCount: 0, notes: [], fileSystem: new CrashFileSystem(durable) };
  for (const [index, event] of recording.events.entries()) {
    if (event.type === "sync" || event.type === "syncFolder") {
      const isCovered = (change: Change): boolean =>
        event.type === "sync"
          ? change.type === "write" && change.node === event.node
          : change.type !== "write" && change.folder === event.folder;
      durable = applied(durable, pending.filter(isCovered));
      pending = pending.filter((change) => !isCovered(change));
      // What is possible now was possible before, too: the next note is what makes a difference.
      continue;
    }
    if (event.type === "note") notes.push(event.text);
    else pending = [...pending, event];
    const choices = pending.map((change) => choicesFor(change, sectorBytes));
    for (const fates of fatesOf(choices, maxStatesPerPoint, random)) {
      const image = applied(durable, pending, fates);
      const description = `after event ${index} (${event.type}): ${describeFates(pending, fates)}`;
      yield { description, eventCount: index + 1, notes: [...notes], fileSystem: new CrashFileSystem(image) };
    }
  }
}

function applied(image: DiskImage, changes: readonly Change[], fates?: readonly Fate[]): DiskImage {
  if (changes.length === 0) return image;
  const editor = new ImageEditor(image);
  for (const [index, change] of changes.entries()) editor.apply(change, fates?.[index] ?? "kept");
  return editor.image();
}

function choicesFor(change: Change, sectorBytes: number | null): readonly Fate[] {
  if (change.type !== "write") return ENTRY_FATES;
  return sectorBytes === null ? CONTENT_FATES : [...CONTENT_FATES, ...sectorFates(change, sectorBytes)];
}

function* fatesOf(choices: readonly (readonly Fate[])[], limit: number, random: Random): Generator<readonly Fate[]> {
  const count = choices.reduce((product, { length }) => product * length, 1);
  if (count <= limit) {
    for (let number = 0; number < count; number++) yield numbered(choices, number);
    return;
  }
  const all = (fate: Fate): Fate[] => choices.map(() => fate);
  const extremes = [all("kept"), all("lost")];
  for (let index = 0; index < choices.length && extremes.length + 2 <= limit; index++) {
    extremes.push(all("kept").with(index, "lost"), all("lost").with(index, "kept"));
  }
  const given = new Set<string>();
  const isNew = (fates: readonly Fate[]): boolean => {
    const before = given.size;
    return given.add(fates.map(fateName).join()).size > before;
  };
  yield* extremes.slice(0, limit).filter(isNew);
  // There are more than the limit: what was drawn twice is drawn anew.
  while (given.size < limit) {
    const fates = choices.map((each) => each[random.int(each.length)] ?? "kept");
    if (isNew(fates)) yield fates;
  }
}

/** The fates whose choices, read as digits, are `number`. */
function numbered(choices: readonly (readonly Fate[])[], number: number): Fate[] {
  let rest = number;
  return choices.map((fates) => {
    const fate = fates[rest % fates.length] ?? "kept";
    rest = Math.floor(rest / fates.length);
    return fate;
  });
}

function describeFates(pending: readonly Change[], fates: readonly Fate[]): string {
  const told = pending.map((change, index) => {
    const what = change.type === "write" ? `write of file ${change.node}` : `${change.type} ${change.name}`;
    return `${what} ${fateName(fates[index] ?? "kept")}`;
  });
  return told.length === 0 ? "everything was synced" : told.join(", ");
}

function fateName(fate: Fate): string {
  return typeof fate === "string" ? fate : `cut to sectors ${fate.arrived.join("+")} of ${fate.sectorBytes} bytes`;
}
