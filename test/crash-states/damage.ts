import { createRandom } from "../../src/base/random.ts";
import { type DiskImage, emptyImage } from "../../src/testing/disk-image.ts";
import { History, type Place, type Plant, RUN } from "./history.ts";
import { filesOf } from "./image-key.ts";
import { Model } from "./model.ts";
import type { Objects } from "./store-recorder.ts";
import { StoreStates } from "./store-recorder.ts";

/** One object of a run, changed as no writer would change it; null removes it. */
export interface Damage {
  readonly name: string;
  readonly what: string;
  readonly bytes: Uint8Array | null;
}

/** Which copies of the object are changed. */
export type Where = "first" | "second" | "both";

/** A run of two checkpoints, as small as it can be. */
export interface TinyRun {
  readonly place: Place;
  readonly model: Model;
  readonly image: DiskImage;
  readonly objects: Objects;
  readonly newest: number;
}

const NEWEST = 2;

export async function tinyRun(place: Place): Promise<TinyRun> {
  const history = new History({ place, isTiny: true });
  const process = await history.start();
  for (let step = 1; step <= NEWEST; step++) {
    process.train(step);
    await history.time.until(history.save(process, step).committed);
  }
  await process.close();
  const notes = history.disk.events.flatMap((event) => (event.type === "note" ? [event.text] : []));
  const [objects = new Map<string, Uint8Array>()] = new StoreStates(new Map(), history.changes).after(notes);
  return { place, model: history.model, image: history.disk.live, objects, newest: NEWEST };
}

/** The objects of the run by name; of two tiers, those of the first, which are those of the second. */
export function objectsOf({ place, image, objects }: TinyRun): Objects {
  if (place === "cloud") return objects;
  return new Map([...filesOf(image)].map(([path, bytes]) => [path.slice(RUN.length + 1), bytes]));
}

/** Every byte, with all of its bits turned and with one of them, which the seed decides. */
export function* flips(objects: Objects, seed: number, kinds: readonly ("all" | "one")[]): Generator<Damage> {
  const random = createRandom(seed);
  for (const [name, bytes] of objects) {
    for (const [place, byte] of bytes.entries()) {
      const bit = random.int(8);
      for (const kind of kinds) {
        const changed = bytes.with(place, byte ^ (kind === "all" ? 0xff : 1 << bit));
        yield {
          name,
          what: kind === "all" ? `byte ${place} inverted` : `byte ${place}, bit ${bit} flipped`,
          bytes: changed,
        };
      }
    }
  }
}

export function* removals(objects: Objects): Generator<Damage> {
  for (const name of objects.keys()) yield { name, what: "removed", bytes: null };
}

export function* truncations(objects: Objects): Generator<Damage> {
  for (const [name, bytes] of objects) {
    for (const length of new Set([0, 1, bytes.length >> 1, bytes.length - 1])) {
      yield { name, what: `cut to ${length} of ${bytes.length} bytes`, bytes: bytes.subarray(0, length) };
    }
  }
}

export interface Seen {
  /** What opening, reading or verifying said against the object; empty where nobody noticed. */
  readonly complaints: readonly string[];
  readonly restored: { readonly step: number; readonly isRight: boolean } | null;
}

function damaged(run: TinyRun, { name, bytes }: Damage, where: Where, plant: Plant | undefined): History {
  const { place, model } = run;
  const inFolder = place === "disk" || (place === "tiers" && where !== "second");
  const inCloud = place === "cloud" || (place === "tiers" && where !== "first");
  const objects = new Map(run.objects);
  if (inCloud && bytes === null) objects.delete(name);
  else if (inCloud && bytes !== null) objects.set(name, bytes);
  const image = place === "cloud" ? emptyImage() : inFolder ? withFile(run.image, `${RUN}/${name}`, bytes) : run.image;
  // What goes on from here is judged by itself.
  const own = new Model();
  for (const [step, hash] of model.hashes) own.hashes.set(step, hash);
  return new History({ place, isTiny: true, plant, before: { image, objects, model: own, notes: [] } });
}

function withFile(image: DiskImage, path: string, bytes: Uint8Array | null): DiskImage {
  const parts = path.split("/").slice(1);
  const last = parts.pop() ?? "";
  const folder = parts.reduce((node, part) => image.folders.get(node)?.get(part) ?? -1, 0);
  const entries = image.folders.get(folder);
  const node = entries?.get(last) ?? -1;
  if (bytes !== null) return { ...image, files: new Map(image.files).set(node, bytes) };
  const rest = new Map(entries);
  rest.delete(last);
  return { ...image, folders: new Map(image.folders).set(folder, rest) };
}

/** Opens a damaged run to read it, restores, and checks every byte. */
export async function look(run: TinyRun, damage: Damage, where: Where = "both", plant?: Plant): Promise<Seen> {
  const history = damaged(run, damage, where, plant);
  const complaints: string[] = [];
  let restored: Seen["restored"] = null;
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    await work().catch((error: Error & { code?: string }) => {
      if (error.code?.startsWith("VARVE_") !== true) throw error;
      complaints.push(error.message);
    });
  };
  const process = await history.create({ readOnly: true });
  await attempt(async () => void (await process.open()));
  await attempt(async () => {
    const found = await process.restore();
    if (found === null) return;
    restored = { step: found.step, isRight: history.model.hashes.get(found.step) === found.hash };
    complaints.push(...found.skipped);
  });
  await attempt(async () => {
    const { checkpoints, tiers } = await process.verify();
    complaints.push(...checkpoints.flatMap(({ problems }) => problems));
    for (const { url, problems } of tiers) complaints.push(...problems.map(({ problem }) => `in ${url}: ${problem}`));
  });
  await process.close();
  return { complaints, restored };
}

/** Opens a damaged run to write to it, goes on, and tells what is wrong with that; a refusal is told by its code. */
export async function goOnAfter(run: TinyRun, damage: Damage, plant?: Plant): Promise<string> {
  const history = damaged(run, damage, "both", plant);
  const names = [...objectsOf(run).keys()].filter((name) => name.startsWith("checkpoints/"));
  const highest = Math.max(...names.map((name) => Number(/(\d+)\.json$/.exec(name)?.[1])));
  try {
    const process = await history.start();
    await process.restore();
    process.trainOtherwise(77);
    const save = history.save(process, 77);
    await history.time.until(save.committed);
    await process.close();
    if (save.sequence <= highest && damage.bytes !== null) return `sequence ${save.sequence} is used again`;
    const reader = await history.start({ readOnly: true });
    const again = await reader.restore();
    await reader.close();
    return again?.step === 77 && again.hash === save.hash ? "goes on" : "what was saved is not restored";
  } catch (error) {
    const { code = "" } = error as { code?: string };
    if (!code.startsWith("VARVE_")) throw error;
    return code;
  }
}
