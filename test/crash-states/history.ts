import type { IdSource } from "../../src/base/ids.ts";
import type { RetentionOptions } from "../../src/checkpoint/messages.ts";
import type { Store } from "../../src/index.ts";
import type { FileSystem } from "../../src/store/file-system.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createTemporaryNames } from "../../src/store/temporary-name.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { type DiskImage, emptyImage } from "../../src/testing/disk-image.ts";
import { Model, type Tier } from "./model.ts";
import { type SaveOfProcess, SimulatedProcess } from "./simulated-process.ts";
import { SimulatedTime } from "./simulated-time.ts";
import { type Objects, type StoreChange, storeOf, watchStore } from "./store-recorder.ts";

/** The run's folder on the simulated disk. */
export const RUN = "/run";

/** Where the run lives: in a folder, in an object store, or in both, the folder first. */
export type Place = "disk" | "cloud" | "tiers";

/** A bug of the code under test, between it and what is recorded. */
export interface Plant {
  readonly disk?: ((disk: FileSystem) => FileSystem) | undefined;
  readonly store?: ((store: Store, tier: Tier) => Store) | undefined;
  readonly newIncarnation?: IdSource | undefined;
}

export interface HistoryOptions {
  readonly place: Place;
  readonly plant?: Plant | undefined;
  /** Processes save as little as there can be. */
  readonly isTiny?: boolean | undefined;
  /** What earlier processes of the run left, and what is known of that. */
  readonly before?: Before | undefined;
}

export interface Before {
  readonly image: DiskImage;
  readonly objects: Objects;
  readonly model: Model;
  readonly notes: readonly string[];
}

export interface ProcessSettings {
  readonly retention?: Partial<RetentionOptions> | undefined;
  readonly readOnly?: boolean | undefined;
  /** What befalls this process: below the plant, which stands for the process's own code. */
  readonly disk?: Plant["disk"];
  readonly store?: Plant["store"];
}

/** One run's past: processes that trained it, and everything that reached the disk and the store meanwhile. */
export class History {
  readonly place: Place;
  readonly time = new SimulatedTime();
  readonly model: Model;
  readonly disk: CrashFileSystem;
  readonly changes: StoreChange[] = [];
  readonly initialObjects: Objects;
  readonly #plant: Plant;
  readonly #isTiny: boolean;
  readonly #cloud: Promise<Store>;
  #processes: number;

  constructor({ place, plant = {}, before, isTiny = false }: HistoryOptions) {
    this.#isTiny = isTiny;
    this.place = place;
    this.#plant = plant;
    this.model = before?.model ?? new Model();
    this.disk = new CrashFileSystem(before?.image ?? emptyImage(), this.time.clock);
    this.initialObjects = before?.objects ?? new Map();
    this.#cloud = storeOf(this.initialObjects, "memory://cloud", { clock: this.time.clock });
    this.#processes = before === undefined ? 0 : 100;
    for (const note of before?.notes ?? []) this.disk.note(note);
  }

  /** Starts a process of the run; it has opened it when this resolves. */
  async start(settings: ProcessSettings = {}): Promise<SimulatedProcess> {
    const process = await this.create(settings);
    await process.open();
    return process;
  }

  async create(settings: ProcessSettings = {}): Promise<SimulatedProcess> {
    const number = ++this.#processes;
    await this.#cloud;
    // What was there before is older than no grace at all.
    this.time.nowMs += 1000;
    const newId = countingIds(`process-${number}-`);
    const first =
      this.place === "cloud" ? await this.#openCloud("first", settings) : this.#openFolder(number, settings);
    const second = this.place === "tiers" ? await this.#openCloud("second", settings) : null;
    return new SimulatedProcess({
      store: second ?? first,
      local: second === null ? null : first,
      ...{ time: this.time, newId, newIncarnation: this.#plant.newIncarnation, isTiny: this.#isTiny },
      ...{ retention: settings.retention, readOnly: settings.readOnly },
    });
  }

  /** Saves, and notes what becomes known of it. */
  save(process: SimulatedProcess, step: number): SaveOfProcess {
    const save = process.save(step);
    this.model.hashes.set(step, save.hash);
    for (const word of ["durable", "committed"] as const) {
      save[word].then(
        () => this.disk.note(`${word} ${step}`),
        () => undefined,
      );
    }
    return save;
  }

  /** Saves and waits until the checkpoint is durable. */
  async saveDurably(process: SimulatedProcess, step: number): Promise<void> {
    await this.time.until(this.save(process, step).durable);
  }

  async pin(process: SimulatedProcess, step: number): Promise<void> {
    await process.pin(step);
    this.disk.note(`pinned ${step}`);
  }

  #openFolder(number: number, { disk: plantDisk, store: plantStore }: ProcessSettings): Store {
    const temporaryNames = createTemporaryNames({
      ...{ scope: "51a7ed00", processId: number, isAlive: (id) => id === number, createId: countingIds("") },
    });
    const given = plantDisk?.(this.disk) ?? this.disk;
    const fileSystem = this.#plant.disk?.(given) ?? given;
    const store = createLocalStore(RUN, { fileSystem, temporaryNames, clock: this.time.clock });
    const watched = watchStore(store, { tier: "first", model: this.model });
    return this.#planted(watched, "first", plantStore);
  }

  async #openCloud(tier: Tier, { store: plantStore }: ProcessSettings): Promise<Store> {
    const watched = watchStore(await this.#cloud, {
      ...{ tier, model: this.model },
      onCalled: (change) => {
        const number = this.changes.push(change) - 1;
        this.disk.note(`store call ${number}`);
        return number;
      },
      onAnswered: (number) => this.disk.note(`store answer ${number}`),
    });
    return this.#planted(watched, tier, plantStore);
  }

  #planted(store: Store, tier: Tier, plantStore: Plant["store"]): Store {
    const given = plantStore?.(store, tier) ?? store;
    return this.#plant.store?.(given, tier) ?? given;
  }
}

function countingIds(prefix: string): IdSource {
  let count = 0;
  return () => `${prefix}${count++}`;
}
